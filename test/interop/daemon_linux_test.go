package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// daemon is a running `uvtep run`.
type daemon struct {
	host   *lab.Host
	proc   *lab.Process
	socket string
}

// startDaemon runs uvtep in a host, with options and a link's sentence where
// they are given. When
// the test ends the daemon must end by SIGTERM with exit status 0, and must not
// have logged an error.
func startDaemon(t *testing.T, h *lab.Host, sentence ...string) *daemon {
	t.Helper()
	d := &daemon{host: h, socket: filepath.Join(t.TempDir(), "s")}
	args := slices.Concat([]string{"--control", d.socket, "run"}, transmitters(), sentence)
	d.proc = must(h.Start(lab.Command{Path: exe, Args: args}))(t)
	check(t, d.proc.WaitStderr("uvtep: ready\n", soon))
	t.Cleanup(func() {
		select {
		case <-d.proc.Done():
			return // the test ended it, and looked at how
		default:
		}
		if err := d.proc.Stop(soon); err != nil {
			t.Errorf("%s: uvtep run after SIGTERM: %v", h, err)
		}
		if log := d.proc.Stderr(); t.Failed() || strings.Contains(log, "level=ERROR") {
			t.Errorf("%s: uvtep run logged:\n%s", h, log)
		}
	})
	return d
}

// try runs a uvtep command against the daemon.
func (d *daemon) try(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	return d.host.Run(ctx, exe, append([]string{"--control", d.socket}, args...)...)
}

// uvtep runs a uvtep command that must succeed in silence, and returns what it
// printed.
func (d *daemon) uvtep(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, err := d.try(t.Context(), args...)
	if err != nil || errs != "" {
		t.Fatalf("%s: uvtep %s: %v, stderr %q", d.host, strings.Join(args, " "), err, errs)
	}
	return out
}

// counters are what `uvtep -j -s link show` says.
type counters struct {
	Stats struct {
		RX, TX struct{ Bytes, Packets, Errors, Dropped uint64 }
	} `json:"stats64"`
	Own struct {
		Drops      map[string]uint64 `json:"drops"`
		NotLearned uint64            `json:"not_learned"`
		Moves      uint64            `json:"moves"`
	} `json:"uvtep"`
}

func (d *daemon) counters(t *testing.T, link string) counters {
	t.Helper()
	var all []counters
	text := d.uvtep(t, "-j", "-s", "link", "show", link)
	if err := json.Unmarshal([]byte(text), &all); err != nil || len(all) != 1 {
		t.Fatalf("link show %s: %v: %s", link, err, text)
	}
	return all[0]
}

// exitStatus is the exit status that err, of Host.Run, tells of.
func exitStatus(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

// oneLine is nil where text is one line.
func oneLine(text string) error {
	if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") || len(text) < 2 {
		return fmt.Errorf("not one line: %q", text)
	}
	return nil
}
