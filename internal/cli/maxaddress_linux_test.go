package cli

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/test/lab"
)

// TestMaxAddressOfTheDaemon: the file bounds what all links hold together, SIGHUP changes
// that, and the option wins; what cannot be is refused.
func TestMaxAddressOfTheDaemon(t *testing.T) {
	a, _ := hosts(t)
	name := filepath.Join(t.TempDir(), "f.yaml")
	write := func(text string) { writeFile(t, name, text+"links: []\n") }
	limit := func() int {
		c := client.New(a.socket)
		defer c.Close()
		s, err := c.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.MaxAddress
	}
	for _, test := range []struct {
		options      []string
		first, again int
	}{{nil, 5000, 1 << 20}, {[]string{"--maxaddress", "7"}, 7, 7}, {[]string{"--maxaddress", "unlimited"}, 0, 0}} {
		write("maxaddress: 5000\n")
		p, err := a.Start(lab.Command{Path: exe, Args: append([]string{"run", "--control", a.socket, "--config", name}, test.options...)})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.WaitStderr("uvtep: ready\n", timeout); err != nil {
			t.Fatalf("%v: %s", err, p.Stderr())
		}
		if n := limit(); n != test.first {
			t.Errorf("%v: %d addresses may be, want %d", test.options, n, test.first)
		}
		write("")
		if err := p.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		if err := p.WaitStderr("is applied", timeout); err != nil {
			t.Fatalf("%v: %s", err, p.Stderr())
		}
		if n := limit(); n != test.again {
			t.Errorf("%v: after SIGHUP %d addresses may be, want %d", test.options, n, test.again)
		}
		if err := p.Stop(timeout); err != nil {
			t.Errorf("%v: %s", err, p.Stderr())
		}
	}
	for _, bad := range []string{"0", "many", "-1"} {
		if got := uvtep(t, a.socket, "run", "--maxaddress", bad); got.status == 0 || !strings.Contains(got.stderr, "unlimited") {
			t.Errorf("--maxaddress %s: %+v", bad, got)
		}
	}
}
