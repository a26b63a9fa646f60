package cli

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/internal/check"
	"github.com/uvtep/uvtep/internal/status"
	"github.com/uvtep/uvtep/test/lab"
)

// TestStatusJSON: the JSON of status, check and ping is what programs read, with the exit
// status of what it says.
func TestStatusJSON(t *testing.T) {
	h, _ := hosts(t)
	d, err := h.Start(lab.Command{Path: exe, Args: []string{"--control", h.socket, "run", "vxlan0", "id", "42", "local", "192.0.2.1"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WaitStderr("uvtep: ready\n", timeout); err != nil {
		t.Fatal(err)
	}
	ask := func(v any, want int, args ...string) {
		t.Helper()
		out, errs, err := h.Run(t.Context(), exe, append([]string{"--control", h.socket, "-j"}, args...)...)
		if got := exitCode(err); got != want || errs != "" {
			t.Fatalf("%v: status %d, want %d: %s %s", args, got, want, out, errs)
		}
		if err := json.Unmarshal([]byte(out), v); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	var r status.Report
	ask(&r, 1, "status")
	if r.Verdict != status.Degraded || len(r.Links) != 1 || r.Links[0].Name != "vxlan0" || r.Links[0].ID != 42 || len(r.Findings) == 0 ||
		!strings.Contains(r.Findings[0].What, "no remote") {
		t.Errorf("%+v", r)
	}
	// 192.0.2.1 is the other host's, too.
	var found []check.Finding
	ask(&found, 1, "check")
	if len(found) != 1 || found[0].Rule != "duplicate" || found[0].Link != "vxlan0" {
		t.Errorf("%+v", found)
	}
	var p struct {
		Remote, Verdict string
		Steps           []struct {
			Name string
			OK   bool
		}
	}
	ask(&p, 1, "ping", "203.0.113.1")
	if p.Remote != "203.0.113.1" || len(p.Steps) != 1 || p.Steps[0].Name != "route" || p.Steps[0].OK || !strings.HasPrefix(p.Verdict, "route fails") {
		t.Errorf("%+v", p)
	}
	if err := d.Stop(timeout); err != nil {
		t.Error(err)
	}
	// Without the daemon, of a file: the port is free, and the address is twice there.
	file := filepath.Join(t.TempDir(), "links.yaml")
	if err := os.WriteFile(file, []byte("links:\n  - {name: vxlan0, id: 42, local: 192.0.2.1, remotes: [203.0.113.1, peer.example.net]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ask(&found, 1, "check", "--config", file)
	if len(found) != 2 || found[0].Rule != "duplicate" || found[1].Rule != "route" {
		t.Errorf("%+v", found)
	}
	if err := os.WriteFile(file, []byte("links: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, err := h.Run(t.Context(), exe, "--control", h.socket, "check", "--config", file); exitCode(err) != 2 || !strings.Contains(errs, "there is no link to check") {
		t.Errorf("nothing to check: %v %s", err, errs)
	}
}

// TestPortHolder: check says who has the port.
func TestPortHolder(t *testing.T) {
	h, _ := hosts(t)
	d, err := h.Start(lab.Command{Path: exe, Args: []string{"--control", filepath.Join(t.TempDir(), "else"), "run", "vxlan1", "id", "43", "remote", "192.0.2.2"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WaitStderr("uvtep: ready\n", timeout); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "links.yaml")
	if err := os.WriteFile(file, []byte("links:\n  - {name: vxlan0, id: 42, remote: 203.0.113.1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _, err := h.Run(t.Context(), exe, "--control", h.socket, "check", "--config", file)
	if exitCode(err) != 1 || !strings.Contains(out, "port: vxlan0: UDP port 4789 is taken by uvtep (pid ") {
		t.Errorf("%v: %s", err, out)
	}
	if err := d.Stop(timeout); err != nil {
		t.Error(err)
	}
}

// exitCode is the exit status that an error of Host.Run tells of.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return -1
}
