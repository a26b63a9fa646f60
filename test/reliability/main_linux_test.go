package reliability_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/internal/cli"
	"github.com/uvtep/uvtep/test/lab"
)

// exe is the program under test: this binary, started as uvtep.
var exe string

// soon is how long anything that must happen may take, on a busy machine.
const soon = 30 * time.Second

func TestMain(m *testing.M) { os.Exit(lab.TestProgram(m, "uvtep", cli.Main, &exe)) }

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, cond func() error) {
	t.Helper()
	check(t, lab.Eventually(soon, cond))
}

func prefix(format string, a ...any) netip.Prefix {
	return netip.MustParsePrefix(fmt.Sprintf(format, a...))
}

// daemon is a running `uvtep run`.
type daemon struct {
	host   *lab.Host
	proc   *lab.Process
	socket string
}

// start runs uvtep in a host with what follows `run`. When the test ends it must end by SIGTERM with exit status 0.
func start(t *testing.T, h *lab.Host, args ...string) *daemon {
	t.Helper()
	d := &daemon{host: h, socket: filepath.Join(t.TempDir(), "s")}
	d.next(t, args...)
	t.Cleanup(func() {
		if err := d.proc.Stop(soon); err != nil || t.Failed() {
			t.Errorf("%s: uvtep run after SIGTERM: %v; it logged\n%s", h, err, d.proc.Stderr())
		}
	})
	return d
}

// next makes the daemon the one that is started now.
func (d *daemon) next(t *testing.T, args ...string) {
	t.Helper()
	d.proc = must(d.host.Start(lab.Command{Path: exe, Args: append([]string{"--control", d.socket, "run"}, args...)}))(t)
	if err := d.proc.WaitStderr("uvtep: ready\n", soon); err != nil {
		t.Fatalf("%v: %s", err, d.proc.Stderr())
	}
}

// uvtep runs a command against the daemon, given as it is typed.
func (d *daemon) uvtep(t *testing.T, line string) string {
	t.Helper()
	out, errs, err := d.host.Run(t.Context(), exe, append([]string{"--control", d.socket}, strings.Fields(line)...)...)
	if err != nil {
		t.Fatalf("%s: uvtep %s: %v, stderr %q", d.host, line, err, errs)
	}
	return out
}

// drops are the counters of the link vxlan0 by reason.
func (d *daemon) drops(ctx context.Context) (map[string]uint64, error) {
	var all []struct {
		Own struct {
			Drops map[string]uint64 `json:"drops"`
		} `json:"uvtep"`
	}
	out, errs, err := d.host.Run(ctx, exe, "--control", d.socket, "-j", "-s", "link", "show", "vxlan0")
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, errs)
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return all[0].Own.Drops, nil
}

// spent is the time of a processor that the daemon's threads have had, the kernel's work for them included.
func (d *daemon) spent(t *testing.T) (all time.Duration) {
	t.Helper()
	for _, file := range must(filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", d.proc.Pid())))(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		ns, _, _ := strings.Cut(string(text), " ")
		all += time.Duration(must(strconv.ParseInt(ns, 10, 64))(t))
	}
	return all
}

// run runs a command of the host, given as it is typed.
func run(t *testing.T, h *lab.Host, line string) {
	t.Helper()
	words := strings.Fields(line)
	if _, errs, err := h.Run(t.Context(), words[0], words[1:]...); err != nil {
		t.Fatalf("%s: %s: %v: %s", h, line, err, errs)
	}
}

// installed ends a test that needs a program which is not there.
func installed(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			lab.SkipOrFail(t, fmt.Errorf("%w: %s is not installed", lab.ErrUnavailable, p))
		}
	}
}
