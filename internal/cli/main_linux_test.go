package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// exe is the program: this binary, started as uvtep.
var exe string

func TestMain(m *testing.M) { os.Exit(lab.TestProgram(m, "uvtep", Main, &exe)) }

// program is the program as a command line starts it.
func program(control string, args ...string) *exec.Cmd {
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), "UVTEP_CONTROL="+control)
	return cmd
}

// result is what a command line did.
type result struct {
	status      int
	out, stderr string
}

func uvtep(t *testing.T, control string, args ...string) result {
	t.Helper()
	cmd := program(control, args...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), stderr.String()}
}

// TestExitStatusWithoutDaemon: usage comes before the question whether a daemon
// runs.
func TestExitStatusWithoutDaemon(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "uvtep.sock")
	for line, want := range map[string]int{
		"version": 0, "-j version": 0, "help": 0, "link help": 0, "--help": 0, "fdb show --help": 0, "": 0,
		"banana": 1, "link banana": 1, "-x": 1, "link add": 1, "link add vx": 1, "link add vx id 16777216": 1,
		"link add vx id 1 remote 192.0.2.1 group 239.1.1.1": 1, "link set vx": 1, "link del": 1, "fdb add": 1,
		"fdb show banana": 1, "fdb flush": 1, "fdb get 02:00:00:00:00:01": 1, "run vx id 16777216": 1, "run vx": 1,
		"run --no-offload tap,banana": 1, "run --no-offload udp-gso --no-offload banana": 1, "run --no-offload": 1,
		"run --metrics banana": 1, "run --metrics 127.0.0.1": 1, "run --metrics localhost:1": 1, "run --metrics": 1,
		"run --web banana": 1, "run --web 127.0.0.1": 1, "run --web 127.0.0.1:0": 1, "run --web": 1,
		"link show --tune": 1, "link show --no-offload tap": 1,
		"version banana": 1, "demo banana": 1, "config": 1, "config check": 1, "config check a b": 1, "config banana": 1,
		"run --config": 1, "run --config /nowhere/uvtep.yaml": 1, "link show --config x": 1,
		"monitor banana": 1, "monitor dev": 1, "monitor fdb dev a dev b": 1, "monitor dev a/b": 1, "monitor fdb dev vxlan9": 3, "monitor": 3, "-j monitor fdb": 3,
		"status": 3, "-j status": 3, "status --watch": 3, "status banana": 1, "check": 3, "check banana": 1, "check --config /nowhere/uvtep.yaml": 1,
		"ping": 1, "ping banana": 1, "ping 192.0.2.2 banana": 1, "ping 192.0.2.2 dev vx": 3, "ping 192.0.2.2 --overlay banana": 1,
		"ping 192.0.2.2 --overlay 198.51.100.2": 1, "ping 192.0.2.2 --overlay": 1, "link show --watch": 1,
		"link": 3, "link show vx": 3, "link add vx id 1": 3, "link del vx": 3, "fdb": 3, "fdb flush dev vx": 3,
	} {
		got := uvtep(t, socket, strings.Fields(line)...)
		if got.status != want {
			t.Errorf("uvtep %s: exit status %d, want %d: %s", line, got.status, want, got.stderr)
		}
		if want != 0 && (strings.Count(got.stderr, "\n") != 1 || !strings.HasPrefix(got.stderr, "uvtep: ") || got.out != "") {
			t.Errorf("uvtep %s: printed %q and %q, want one line of an error", line, got.out, got.stderr)
		}
		if want == 0 && (got.stderr != "" || got.out == "") {
			t.Errorf("uvtep %s: printed %q and %q", line, got.out, got.stderr)
		}
	}
}

// host is a host with an underlay device, and where its daemon's socket is.
type host struct {
	*lab.Host
	t      *testing.T
	socket string
}

// hosts are two in the same place: each has eth0 with 192.0.2.1 and
// 2001:db8:1::1. They are not meant to talk.
func hosts(t *testing.T) (a, b host) {
	t.Helper()
	l := lab.ForTest(t)
	make := func(name string) host {
		h, err := l.Host(name)
		if err != nil {
			t.Fatal(err)
		}
		return host{h, t, filepath.Join(t.TempDir(), "uvtep.sock")}
	}
	a, b = make("a"), make("b")
	if _, err := l.Wire(a.Host, b.Host, lab.WireOptions{NameA: "eth0", NameB: "eth0"}); err != nil {
		t.Fatal(err)
	}
	for h, ips := range map[host][]string{a: {"192.0.2.1/24", "2001:db8:1::1/64"}, b: {"192.0.2.1/24", "2001:db8:1::1/64"}} {
		for _, ip := range ips {
			if err := h.AddAddr("eth0", prefix(ip)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return a, b
}

// run runs a program in the host and returns what it printed.
func (h host) run(path string, args ...string) (string, error) {
	out, stderr, err := h.Run(context.Background(), path, args...)
	if err != nil {
		return out, errors.Join(err, errors.New(stderr))
	}
	return out, nil
}

func (h host) must(path string, args ...string) string {
	h.t.Helper()
	out, err := h.run(path, args...)
	if err != nil {
		h.t.Fatalf("%s %s: %v", path, strings.Join(args, " "), err)
	}
	return out
}

// uvtep runs the program in the host.
func (h host) uvtep(line string) result {
	h.t.Helper()
	var r result
	err := h.Do(func() error {
		r = uvtep(h.t, h.socket, strings.Fields(line)...)
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func (h host) mustUvtep(line string) string {
	h.t.Helper()
	r := h.uvtep(line)
	if r.status != 0 {
		h.t.Fatalf("uvtep %s: exit status %d: %s", line, r.status, r.stderr)
	}
	return r.out
}

// daemon starts `uvtep run` and waits until it is ready.
func (h host) daemon(sentence string) *lab.Process {
	h.t.Helper()
	p, err := h.Start(lab.Command{Path: exe, Args: append([]string{"run"}, strings.Fields(sentence)...), Env: []string{"UVTEP_CONTROL=" + h.socket}})
	if err != nil {
		h.t.Fatal(err)
	}
	if err := p.WaitStderr("uvtep: ready\n", timeout); err != nil {
		h.t.Fatalf("%v: %s", err, p.Stderr())
	}
	return p
}

func TestRun(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			a, _ := hosts(t)
			p := a.daemon("vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2 dev eth0")
			if p.Stderr() != "uvtep: ready\n" {
				t.Errorf("the daemon printed %q", p.Stderr())
			}
			if out := a.mustUvtep("link show vxlan0"); !strings.Contains(out, ",UP,LOWER_UP>") {
				t.Errorf("the link of the sentence is not up: %s", out)
			}
			if err := p.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := p.Wait(timeout); err != nil || p.ExitCode() != 0 {
				t.Errorf("ended with %d, %v: %s", p.ExitCode(), err, p.Stderr())
			}
			if a.HasLink("vxlan0") {
				t.Error("the device is left behind")
			}
			if _, err := os.Lstat(a.socket); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the socket is left behind: %v", err)
			}
		})
	}
}

// TestRunRefused: one line that names the cause and the remedy, and nothing
// left behind.
func TestRunRefused(t *testing.T) {
	a, _ := hosts(t)
	for sentence, want := range map[string]struct {
		status int
		text   string
	}{
		"vxlan0 id 16777216":                                 {1, "0 to 16777215"},
		"vxlan0 id 1 remote 192.0.2.2 group 239.1.1.1":       {1, "write one of them"},
		"vxlan0 id 1 remote 192.0.2.2 dev nope":              {2, "nope"},
		"eth0 id 1 remote 192.0.2.2":                         {2, "eth0"},
		"vxlan0 id 1 remote 192.0.2.2 local 192.0.2.1 mtu 9": {1, "68 to"},
	} {
		r := a.uvtep("run " + sentence)
		if r.status != want.status || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, want.text) {
			t.Errorf("run %s: exit status %d, %q, want %d and one line with %q", sentence, r.status, r.stderr, want.status, want.text)
		}
		if a.HasLink("vxlan0") {
			t.Errorf("run %s left the device behind", sentence)
		}
		if _, err := os.Lstat(a.socket); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("run %s left the socket behind: %v", sentence, err)
		}
	}
	a.daemon("")
	if r := a.uvtep("run vxlan0 id 1"); r.status != 2 || !strings.Contains(r.stderr, "another uvtep daemon is running") || a.HasLink("vxlan0") {
		t.Errorf("a second daemon: %+v", r)
	}
}

// TestRunPortHeldByKernel: a kernel vxlan device holds the wildcard of its port.
func TestRunPortHeldByKernel(t *testing.T) {
	lab.NeedKernelVXLAN(t)
	a, _ := hosts(t)
	need(t, "ip")
	a.must("ip", "link", "add", "kvx", "up", "type", "vxlan", "id", "1", "dstport", "4789", "remote", "192.0.2.2", "local", "192.0.2.1")
	r := a.uvtep("run vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2")
	if r.status != 2 || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, "4789") || a.HasLink("vxlan0") {
		t.Errorf("on a port that is taken: %+v", r)
	}
}

// TestRefusals: what the daemon refuses is 2, with the kernel's words.
func TestRefusals(t *testing.T) {
	a, _ := hosts(t)
	a.daemon("vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2")
	a.mustUvtep("fdb add 02:00:00:00:00:01 dev vxlan0 dst 192.0.2.3")
	for line, want := range map[string]string{
		"link add vxlan0 id 43": "File exists",
		"link del nope":         "Cannot find device",
		"link show nope":        "Cannot find device",
		"link set nope up":      "Cannot find device",
		"fdb show dev nope":     "Cannot find device",
		"fdb flush dev nope":    "Cannot find device",
		"fdb add 02:00:00:00:00:01 dev vxlan0 dst 192.0.2.3":     "File exists",
		"fdb del 02:00:00:00:00:09 dev vxlan0":                   "No such file or directory",
		"fdb get 02:00:00:00:00:09 dev vxlan0":                   "No such file or directory",
		"fdb append 02:00:00:00:00:01 dev vxlan0 dst 192.0.2.4":  "replace",
		"fdb replace 00:00:00:00:00:00 dev vxlan0 dst 192.0.2.4": "append",
		"fdb add 02:00:00:00:00:02 dev vxlan0 dst 2001:db8:1::3": "Address family not supported by protocol",
		"fdb del 00:00:00:00:00:00 dev vxlan0 dst 192.0.2.99":    "No such file or directory",
	} {
		r := a.uvtep(line)
		if r.status != 2 || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, want) || r.out != "" {
			t.Errorf("uvtep %s: %+v, want exit status 2 and one line with %q", line, r, want)
		}
	}
}
