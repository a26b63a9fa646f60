package migrate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/internal/config"
)

// check holds what an importer made to what it promises: a file that the daemon
// takes, and notes of one line.
func check(t *testing.T, links []*fileLink, n *notes) {
	t.Helper()
	file, err := fileOf(links, n)
	if err != nil {
		t.Fatal(err)
	}
	told := strings.Join(*n, "\n")
	if _, err := config.Read("", file); err != nil && !strings.Contains(told, "of what is printed: ") {
		t.Errorf("the daemon refuses it: %v\n%s", err, file)
	}
	for _, note := range *n {
		if strings.ContainsAny(note, "\n\r\x1b") {
			t.Errorf("not one line: %q", note)
		}
	}
}

func FuzzNetDev(f *testing.F) {
	names, err := filepath.Glob("testdata/networkd/*.netdev")
	if err != nil || len(names) == 0 {
		f.Fatal(err, names)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		network, err := os.ReadFile("testdata/networkd/20-vx.network")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), string(network))
	}
	f.Fuzz(func(t *testing.T, text, own string) {
		r := &netdevReader{names: map[string]bool{}}
		if sections, err := parseUnit("n", own, &r.notes); err == nil {
			r.networks = []network{{unit: unit{"n", sections}, match: networkMatch(sections, &r.notes)}}
		}
		var links []*fileLink
		if sections, err := parseUnit("f", text, &r.notes); err == nil {
			if l := r.link(&unit{"f", sections}); l != nil {
				links = append(links, l)
			}
		}
		r.strangers()
		check(t, links, &r.notes)
	})
}

func FuzzIfUpDown2(f *testing.F) {
	text, err := os.ReadFile("testdata/interfaces")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Fuzz(func(t *testing.T, text string) {
		i := &interfaces{files: func(string) ([]byte, error) { return []byte("iface x\nvxlan-id 1\n"), nil }}
		i.file("f", text)
		links := i.links()
		check(t, links, &i.notes)
	})
}
