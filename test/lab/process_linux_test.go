package lab_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

func itoa(i int) string { return strconv.Itoa(i) }

// childMode makes the test binary play a part in a test instead of running the tests.
const childMode = "UVTEP_LAB_TEST_CHILD"

func childMain() int {
	switch mode := os.Getenv(childMode); mode {
	case "where":
		ns, err := os.Readlink("/proc/self/ns/net")
		fmt.Println(ns)
		fmt.Fprintln(os.Stderr, "args", os.Args[1:], "err", err)
		return 3
	case "sleep": // until stdin ends, which it does not, or a signal
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		fmt.Println("asleep", os.Getpid())
		<-term
		fmt.Println("woken")
		return 0
	case "parent": // dies without cleaning up while its child sleeps
		return orphan()
	case "reexec", "reexec-without-tun":
		return reexecChild(mode == "reexec")
	}
	return 99
}

func orphan() int {
	l, err := lab.New()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	h, err := l.Host("a")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	p, err := h.Start(lab.Command{Path: "/proc/self/exe", Env: []string{childMode + "=sleep"}})
	if err == nil {
		err = p.WaitStdout("asleep", 10*time.Second)
	}
	fmt.Print(p.Stdout())
	if err != nil {
		return 1
	}
	return 0
}

// reexecChild runs as an ordinary user.
func reexecChild(needTUN bool) int {
	reexec := lab.Reexec
	if !needTUN {
		reexec = lab.ReexecWithoutTUN
	}
	code, done, err := reexec()
	if err != nil {
		fmt.Println("error:", err)
		if !errors.Is(err, lab.ErrUnavailable) {
			return 98
		}
		return 2
	}
	if done {
		return code
	}
	l, err := lab.New()
	if err != nil {
		fmt.Println("new:", err)
		return 4
	}
	defer l.Close()
	a, err1 := l.Host("a")
	b, err2 := l.Host("b")
	if errors.Join(err1, err2) != nil {
		fmt.Println(err1, err2)
		return 5
	}
	w, err := l.Wire(a, b, lab.WireOptions{Offload: map[string]bool{"tx": false}})
	if err != nil {
		fmt.Println(err)
		return 6
	}
	err = errors.Join(a.AddAddr(w.A, prefix("192.0.2.1/24")), b.AddAddr(w.B, prefix("192.0.2.2/24")))
	r, pingErr := lab.Ping(a, netip.Addr{}, addr("192.0.2.2"), 56, 2)
	capture, captureErr := a.Capture(w.A, 0)
	fmt.Println("uid", os.Getuid(), "ping:", r, err, pingErr, capture != nil, captureErr)
	if r.Received != 2 {
		return 7
	}
	return 42
}

func TestProcess(t *testing.T) {
	l := lab.ForTest(t)
	h := must(l.Host("a"))(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	t.Setenv(childMode, "where")
	stdout, stderr, err := h.Run(ctx, "/proc/self/exe", "x", "y")
	exit := new(exec.ExitError)
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("Run: %v, want exit status 3", err)
	}
	if want := must(os.Readlink(h.Path()))(t); stdout != want+"\n" {
		t.Errorf("the child was in %q, want %q", stdout, want)
	}
	if !strings.Contains(stderr, "args [x y]") {
		t.Errorf("stderr %q", stderr)
	}

	p := must(h.Start(lab.Command{Path: "/proc/self/exe", Env: []string{childMode + "=sleep"}}))(t)
	check(t, p.WaitStdout("asleep "+itoa(p.Pid()), 10*time.Second))
	if p.ExitCode() != -1 {
		t.Error("it has ended")
	}
	if err := p.WaitStderr("never", 10*time.Millisecond); err == nil {
		t.Error("waited for what is not there")
	}
	if err := p.Wait(10 * time.Millisecond); err == nil {
		t.Error("Wait returned while it runs")
	}
	check(t, p.Stop(10*time.Second))
	if p.ExitCode() != 0 || !strings.HasSuffix(p.Stdout(), "woken\n") {
		t.Errorf("exit status %d, stdout %q", p.ExitCode(), p.Stdout())
	}
	check(t, p.Close())
	if err := p.WaitStdout("never", time.Minute); err == nil {
		t.Error("waited for what can never come")
	}
	if _, err := h.Start(lab.Command{Path: "/nonexistent"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Start of nothing: %v", err)
	}
}

// TestChildrenDieWithParent kills nothing: a process that ends without Close must take its children along.
func TestChildrenDieWithParent(t *testing.T) {
	lab.ForTest(t)
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), childMode+"=parent")
	// Not Output: it would wait for the grandchild's end of the pipe.
	r, w, err := os.Pipe()
	check(t, err)
	defer r.Close()
	cmd.Stdout, cmd.Stderr = w, os.Stderr
	check(t, cmd.Run(), w.Close())
	out := string(must(io.ReadAll(r))(t))
	var pid int
	if _, err := fmt.Sscanf(out, "asleep %d", &pid); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	check(t, lab.Eventually(5*time.Second, func() error {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(state), ") Z ") { // gone, or nobody reaped it yet
			return nil
		}
		return fmt.Errorf("process %d lives on", pid)
	}))
}

// TestReexec runs this binary as an ordinary user.
func TestReexec(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to become another user; without it every test of this package runs re-executed")
	}
	run := func(mode string) (string, int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
		cmd.Env = append(os.Environ(), childMode+"="+mode)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
			t.Skip("cannot run as uid 65534:", err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	t.Run("with TUN", func(t *testing.T) {
		st := must(os.Stat("/dev/net/tun"))(t)
		out, code := run("reexec")
		if st.Mode().Perm()&0o006 == 0o006 {
			if code != 42 {
				t.Errorf("exit status %d: %s", code, out)
			}
			return
		}
		if code != 2 || !strings.Contains(out, "/dev/net/tun (mode") || !strings.Contains(out, "chmod 0666") {
			t.Errorf("exit status %d: %s", code, out)
		}
	})
	t.Run("without TUN", func(t *testing.T) {
		out, code := run("reexec-without-tun")
		if code == 2 && strings.Contains(out, "user namespace") {
			t.Skip("no user namespaces here:", out)
		}
		if code != 42 || !strings.Contains(out, "uid 0 ") {
			t.Errorf("exit status %d: %s", code, out)
		}
	})
}
