package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestConfigCheck: silent but for a line on a good file, a line for each mistake
// of a broken one.
func TestConfigCheck(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f.yaml")
	for _, c := range []struct {
		text   string
		status int
		out    string
		errs   string
	}{
		{"links:\n  - {name: a, id: 1, dstport: 4789}\n", 0, name + ": links: 1\n", ""},
		{"links:\n  - {name: a, id: 1, dstport: 4789}\n  - {name: b, id: 2}\n", 0, name + ": links: 2; without dstport: 1, which have 4789 here, where ip means 8472\n", ""},
		{"links:\n  - {name: a, id: 1, df: 5}\n  - {name: b, id: x}\n", 1, "",
			name + ":2:26: df \"5\" is unknown: write set or unset or inherit\n" + name + ":3:19: id \"x\" is no number: write one from 0 to 16777215\n"},
	} {
		writeFile(t, name, c.text)
		if got := uvtep(t, "/nowhere", "config", "check", name); got != (result{c.status, c.out, c.errs}) {
			t.Errorf("%s\n%+v, want %+v", c.text, got, c)
		}
	}
	if got := uvtep(t, "/nowhere", "config", "check", name+"x"); got.status != 1 || !strings.HasPrefix(got.stderr, name+"x: cannot be read: ") {
		t.Errorf("a file that is not there: %+v", got)
	}
}

// TestRunConfig: the links of a file are up unless it says otherwise, beside the
// sentence's; its socket is used where the command line names none.
func TestRunConfig(t *testing.T) {
	a, _ := hosts(t)
	dir := t.TempDir()
	name, socket := filepath.Join(dir, "uvtep.yaml"), filepath.Join(dir, "file.sock")
	if err := os.Mkdir(filepath.Join(dir, "conf.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, name, "control: "+socket+"\nlinks:\n  - name: one\n    id: 1\n    remotes: [192.0.2.2, 192.0.2.3]\n"+
		"    fdb: [{mac: '02:00:00:00:00:07', dst: 192.0.2.7, state: static}]\n")
	writeFile(t, filepath.Join(dir, "conf.d", "two.yaml"), "links:\n  - {name: two, id: 2, up: false}\n")
	p, err := a.Start(lab.Command{Path: exe, Args: []string{"run", "--config", name, "three", "id", "3"}, Env: []string{"UVTEP_CONTROL="}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.WaitStderr("uvtep: ready\n", timeout); err != nil {
		t.Fatalf("%v: %s", err, p.Stderr())
	}
	a.socket = socket
	if out := a.mustUvtep("fdb show"); out != "00:00:00:00:00:00 dev one dst 192.0.2.2 self permanent\n"+
		"00:00:00:00:00:00 dev one dst 192.0.2.3 self permanent\n02:00:00:00:00:07 dev one dst 192.0.2.7 self static\n" {
		t.Errorf("fdb show:\n%s", out)
	}
	for link, up := range map[string]bool{"one": true, "two": false, "three": true} {
		if out := a.mustUvtep("link show " + link); strings.Contains(out, ",UP,") != up {
			t.Errorf("up %t wanted: %s", up, out)
		}
	}
	if err := p.Stop(timeout); err != nil {
		t.Errorf("%v: %s", err, p.Stderr())
	}
}

// TestRunConfigRefused: a file that cannot be is usage, one that the host refuses
// is not; either way nothing is left behind.
func TestRunConfigRefused(t *testing.T) {
	a, _ := hosts(t)
	name := filepath.Join(t.TempDir(), "f.yaml")
	for text, want := range map[string]struct {
		status int
		text   string
	}{
		"links:\n  - {name: one, id: 1}\n  - {name: two, id: 1}\n":          {1, name + ":3:21: "},
		"links:\n  - {name: one, id: 1}\n  - {name: two, id: 2, mtu: 1}\n":  {1, name + ":3:29: "},
		"links:\n  - {name: one, id: 1}\n  - {name: two, id: 2, dev: no}\n": {2, name + ":3:12: link two: "},
		"links:\n  - {name: one, id: 1}\n  - {name: eth0, id: 2}\n":         {2, name + ":3:12: link eth0: "},
	} {
		writeFile(t, name, text)
		r := a.uvtep("run --config " + name)
		if r.status != want.status || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, want.text) {
			t.Errorf("%s: %+v, want exit status %d and one line with %q", text, r, want.status, want.text)
		}
		if a.HasLink("one") || a.HasLink("two") {
			t.Errorf("%s left a device behind", text)
		}
		if _, err := os.Lstat(a.socket); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s left the socket behind: %v", text, err)
		}
	}
}
