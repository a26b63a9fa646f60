package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// TestManyLinksComeBack: the device of many links goes and comes back, which is a line a
// second of each text at most, and none of the links is left out of the counts.
func TestManyLinksComeBack(t *testing.T) {
	const links = 20
	a, b := hosts(t)
	var file strings.Builder
	file.WriteString("links:\n")
	for i := range links {
		fmt.Fprintf(&file, "  - {name: vx%d, id: %d, group: 239.1.1.%d, dev: eth0}\n", i, i+1, i+1)
	}
	name := filepath.Join(t.TempDir(), "uvtep.yaml")
	if err := os.WriteFile(name, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	p := a.daemon("--config " + name)
	if err := a.DelLink("eth0"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Lab().Wire(a.Host, b.Host, lab.WireOptions{NameA: "eth0", NameB: "eth0"}); err != nil {
		t.Fatal(err)
	}
	const text = "the underlay device is another one now"
	count := regexp.MustCompile(`suppressed=(\d+)`)
	told := 0
	if err := lab.Eventually(timeout, func() error {
		told = 0
		for line := range strings.Lines(p.Stderr()) {
			if !strings.Contains(line, text) {
				continue
			}
			told++
			if m := count.FindStringSubmatch(line); m != nil {
				n, err := strconv.Atoi(m[1])
				if err != nil {
					return err
				}
				told += n
			}
		}
		if told < links {
			return fmt.Errorf("%d links are told of, want %d", told, links)
		}
		return nil
	}); err != nil {
		t.Fatalf("%v: %s", err, p.Stderr())
	}
	if err := a.AddAddr("eth0", prefix("192.0.2.1/24")); err != nil {
		t.Fatal(err)
	}
	if err := p.WaitStderr("the link is complete", timeout); err != nil {
		t.Error(err)
	}
	if err := errors.Join(p.Stop(timeout), onceASecond(p.Stderr(), begin)); err != nil {
		t.Errorf("%v: %s", err, p.Stderr())
	}
	if !strings.Contains(p.Stderr(), "the link is not complete") {
		t.Errorf("no line of what is missing: %s", p.Stderr())
	}
}

// onceASecond checks that of lines with one text there is one a second, and one at the
// daemon's end. A line has the time of its event, which may be before it was written.
func onceASecond(log string, since time.Time) error {
	most := int(time.Since(since)/time.Second) + 2
	lines := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m) level=\S+ msg="[^"]*"`).FindAllString(log, -1) {
		if lines[m]++; lines[m] > most {
			return fmt.Errorf("more than %d lines:%s", most, m)
		}
	}
	return nil
}
