package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// suite is an edited package and the tests that run it.
type suite struct {
	root, dir string
	pkg       string
	mutants   []*mutant
	overlay   string
	longest   time.Duration // of a test
}

// edit edits the files of the package, in an overlay.
func (s *suite) edit(specs []string) error {
	replace := make(map[string]string)
	put := func(name string, text []byte) error {
		to := filepath.Join(s.dir, strings.ReplaceAll(name, "/", "_"))
		replace[filepath.Join(s.root, name)] = to
		return os.WriteFile(to, text, 0o600)
	}
	for _, spec := range specs {
		text, err := s.editFile(spec)
		if err != nil {
			return err
		}
		name, _, _ := strings.Cut(spec, ":")
		if err := put(name, text); err != nil {
			return err
		}
	}
	text := fmt.Sprintf(hook, filepath.Base(s.pkg), len(s.mutants)+1)
	if err := put(s.pkg+"/zz_mutant.go", []byte(text)); err != nil {
		return err
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	s.overlay = filepath.Join(s.dir, strings.ReplaceAll(s.pkg, "/", "_")+".json")
	return os.WriteFile(s.overlay, b, 0o600)
}

// unknown are the edits that are not known to change nothing.
func (s *suite) unknown(known map[string]bool) []*mutant {
	return slices.DeleteFunc(slices.Clone(s.mutants), func(m *mutant) bool { return known[m.key()] })
}

// test is a test that passes where no edit is on.
type test struct {
	name string
	took time.Duration
	seen []byte // by mutant: it makes a difference there
}

// survivors are those of the mutants with which all tests of a package pass.
func (s *suite) survivors(pkg string, mutants []*mutant) ([]*mutant, error) {
	exe := filepath.Join(s.dir, strings.ReplaceAll(strings.TrimPrefix(pkg, "./"), "/", "_")+"-of-"+filepath.Base(s.pkg)+".test")
	build := exec.Command("go", "test", "-c", "-vet=off", "-overlay", s.overlay, "-o", exe, pkg)
	build.Dir = s.root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the tests of %s: %w\n%s", pkg, err, out)
	}
	list := exec.Command(exe, "-test.list", "^(Test|Fuzz)")
	list.Dir = filepath.Join(s.root, pkg)
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("listing the tests of %s: %w", pkg, err)
	}
	var tests []test
	for name := range strings.FieldsSeq(string(out)) {
		t := test{name: name}
		seen := filepath.Join(s.dir, "seen")
		if err := os.WriteFile(seen, make([]byte, len(s.mutants)+1), 0o600); err != nil {
			return nil, err
		}
		begin := time.Now()
		ok := s.passes(exe, pkg, name, 5*time.Minute, "MUTANT_SEEN="+seen)
		t.took = time.Since(begin)
		if t.seen, err = os.ReadFile(seen); err != nil {
			return nil, err
		}
		if !ok {
			fmt.Fprintf(os.Stderr, "%s fails without an edit and is left out\n", name)
		} else if bytes.IndexByte(t.seen, 1) >= 0 && t.took <= s.longest {
			tests = append(tests, t)
		}
	}
	slices.SortFunc(tests, func(a, b test) int { return int(a.took - b.took) })
	sum := time.Duration(0)
	for _, t := range tests {
		sum += t.took
	}
	fmt.Fprintf(os.Stderr, "%s: %d edits, %d tests, which take %v\n", pkg, len(mutants), len(tests), sum.Round(time.Second))
	var left []*mutant
	for _, m := range mutants {
		if !s.noticed(exe, pkg, m, tests) {
			left = append(left, m)
			fmt.Fprintf(os.Stderr, "%s passes with %s\n", pkg, m) // hours may pass before the list is printed
		}
	}
	return left, nil
}

// noticed reports whether a test fails with m on. Those that are quick go first, a
// few in a process.
func (s *suite) noticed(exe, pkg string, m *mutant, tests []test) bool {
	var names []string
	limit := 10 * time.Second
	for i, t := range tests {
		if t.seen[m.n] != 0 {
			names = append(names, t.name)
			limit += 5 * t.took
		}
		if len(names) == 0 || len(names) < 8 && i < len(tests)-1 {
			continue
		}
		if !s.passes(exe, pkg, strings.Join(names, "|"), limit, fmt.Sprint("MUTANT=", m.n)) {
			return true
		}
		names, limit = nil, 20*time.Second
	}
	return false
}

// passes runs tests; one that does not end fails.
func (s *suite) passes(exe, pkg, names string, limit time.Duration, env string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c := exec.CommandContext(ctx, exe, "-test.short", "-test.failfast", "-test.run", "^("+names+")$")
	c.Dir = filepath.Join(s.root, pkg)
	c.Env = append(os.Environ(), env)
	c.WaitDelay = time.Second
	return c.Run() == nil
}
