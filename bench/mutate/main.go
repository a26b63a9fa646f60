// Command mutate takes each check of the data path out in turn and lists those that no
// test misses. It is no part of the gate.
//
//	go run ./bench/mutate [-deep] [-longest TIME] FILE[:FUNCTION,FUNCTION] ...
//
// Files are named from the repository's root; without any, those of the data
// path are taken. Each condition of an if and of a switch without a tag becomes
// false, and each operand of && and || is taken out. All edits are compiled at
// once, each behind a switch that the environment turns; an edit is run by those
// tests alone that reach it where it makes a difference. With -deep what the
// tests of the package let pass goes to those of test/conformance, as root.
// Edits that change nothing are listed in equivalent.txt with the reason.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// dataPath is what a frame passes.
//
//nolint:gochecknoglobals // a list, never written
var dataPath = []string{
	"vtep/forward/forward.go", "vtep/forward/admit.go", "vtep/forward/samehost.go", "vtep/forward/peers.go", "vtep/forward/learn.go",
	"vtep/forward/handover.go", "vtep/forward/trunk.go", "vtep/forward/remotes.go", "vtep/forward/outbatch.go", "vtep/forward/portbatch.go",
	"vtep/forward/proxy.go", "vtep/forward/pace.go", "vtep/bypass.go", "underlay/message_linux.go", "underlay/builder_linux.go",
	"underlay/flush_linux.go",
}

// alsoTested are packages whose tests another has, beside its own.
//
//nolint:gochecknoglobals // a table, never written
var alsoTested = map[string]string{"vtep/forward": "./vtep"}

func main() {
	deep := flag.Bool("deep", false, "run test/conformance for what the package's tests let pass")
	longest := flag.Duration("longest", time.Minute, "leave out tests that take longer than this")
	flag.Parse()
	if err := run(flag.Args(), *deep, *longest); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(files []string, deep bool, longest time.Duration) error {
	top, err := exec.Command("git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		return fmt.Errorf("finding the repository: %w", err)
	}
	root := strings.TrimSpace(string(top))
	if len(files) == 0 {
		for _, f := range dataPath {
			if _, err := os.Stat(filepath.Join(root, f)); err == nil {
				files = append(files, f)
			}
		}
	}
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	known, err := readEquivalent(filepath.Join(root, "bench/mutate/equivalent.txt"))
	if err != nil {
		return err
	}
	byPackage := make(map[string][]string)
	var order []string
	for _, f := range files {
		p := filepath.Dir(f)
		if byPackage[p] == nil {
			order = append(order, p)
		}
		byPackage[p] = append(byPackage[p], f)
	}
	survivors := 0
	for _, p := range order {
		s := &suite{root: root, dir: dir, pkg: p, longest: longest}
		if err := s.edit(byPackage[p]); err != nil {
			return err
		}
		left, err := s.survivors("./"+p, s.unknown(known))
		if more := alsoTested[p]; err == nil && more != "" && len(left) > 0 {
			left, err = s.survivors(more, left)
		}
		if err == nil && deep && len(left) > 0 {
			left, err = s.survivors("./test/conformance", left)
		}
		if err != nil {
			return err
		}
		for _, m := range left {
			fmt.Println(m)
		}
		survivors += len(left)
		fmt.Printf("%s: %d edits, %d that no test misses\n", p, len(s.mutants), len(left))
	}
	return nil
}

// readEquivalent reads the edits that change nothing, as mutant.key has them, each
// followed by " -- " and the reason.
func readEquivalent(name string) (map[string]bool, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool)
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, reason, ok := strings.Cut(line, " -- ")
		if !ok || reason == "" {
			return nil, fmt.Errorf("%s: %q has no reason", name, line)
		}
		known[strings.TrimSpace(key)] = true
	}
	return known, nil
}
