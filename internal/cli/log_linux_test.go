package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/test/lab"
)

// piped is a daemon whose stderr is a pipe that the test reads, or does not.
type piped struct {
	*exec.Cmd
	t     *testing.T
	log   *os.File // the pipe's reading end
	ended chan error
}

// startPiped starts `uvtep run` in the host with a pipe for a log. full: nothing
// more fits into the pipe.
func (h host) startPiped(full bool, sentence string) *piped {
	h.t.Helper()
	return h.startPipedWith(full, sentence, func(*os.File) []string { return nil })
}

// startPipedWith is startPiped with more variables in the daemon's environment; they may depend on the pipe's writing end.
func (h host) startPipedWith(full bool, sentence string, env func(*os.File) []string) *piped {
	h.t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if full {
		fill(h.t, writer)
	}
	p := &piped{Cmd: program(h.socket, append([]string{"run"}, strings.Fields(sentence)...)...), t: h.t, log: reader, ended: make(chan error, 1)}
	p.Stderr = writer
	p.Env = append(p.Env, env(writer)...)
	if err := h.Do(p.Start); err != nil {
		h.t.Fatal(err)
	}
	_ = writer.Close()
	go func() { p.ended <- p.Wait() }()
	h.t.Cleanup(func() {
		_ = p.Process.Kill()
		h.t.Log(<-p.ended)
		_ = reader.Close()
	})
	return p
}

// fill writes to a pipe until it takes no more.
func fill(t *testing.T, w *os.File) {
	t.Helper()
	raw, err := w.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	cerr := raw.Control(func(fd uintptr) {
		for _, size := range []int{4096, 1} {
			for err = nil; err == nil; {
				_, err = unix.Write(int(fd), make([]byte, size))
			}
		}
		// The daemon gets an ordinary pipe, whose writes wait.
		_ = unix.SetNonblock(int(fd), false)
	})
	if cerr != nil || !errors.Is(err, unix.EAGAIN) {
		t.Fatal(cerr, err)
	}
}

// endsWith sends SIGTERM and wants the daemon gone in time with that status.
func (p *piped) endsWith(status int) {
	p.t.Helper()
	begin := time.Now()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Error(err)
	}
	select {
	case err := <-p.ended:
		p.ended <- err
		if got := p.ProcessState.ExitCode(); got != status {
			p.t.Errorf("the daemon ended with %d, %v, want %d", got, p.ProcessState, status)
		}
	case <-time.After(timeout):
		p.t.Errorf("the daemon runs %v after SIGTERM", time.Since(begin).Round(time.Second))
	}
}

// answers asks the daemon for its links within a time.
func (h host) answers() error {
	c := client.New(h.socket)
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, err := c.Links(ctx)
	return err
}

// complain has the daemon of a host, whose link vxlan0 has the device eth0, log a
// warning that is written with the control plane's lock held.
func (h host) complain() {
	h.t.Helper()
	c := client.New(h.socket)
	defer c.Close()
	if err := lab.Eventually(timeout, func() error {
		l, err := c.Link(h.t.Context(), "vxlan0")
		if err == nil && !slices.Contains(l.Netdev.Flags, "UP") {
			err = errors.New("vxlan0 is down")
		}
		return err
	}); err != nil {
		h.t.Fatal(err)
	}
	if err := h.DelLink("eth0"); err != nil {
		h.t.Fatal(err)
	}
	if err := h.SetUp("vxlan0", false); err != nil {
		h.t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // no reader tells when the line is written
}

// TestLogReaderDies: who reads the log ends, and the daemon goes on.
func TestLogReaderDies(t *testing.T) {
	a, _ := hosts(t)
	p := a.startPiped(false, "vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2 dev eth0")
	if line, err := bufio.NewReader(p.log).ReadString('\n'); err != nil || line != "uvtep: ready\n" {
		t.Fatalf("the daemon printed %q, %v", line, err)
	}
	_ = p.log.Close()
	a.complain()
	if err := a.answers(); err != nil {
		t.Errorf("after a line that nobody reads: %v", err)
	}
	p.endsWith(exitDone)
}

// TestLogReaderHangs: who reads the log reads no more; API and data path go on,
// and SIGTERM ends the daemon. What could not be written comes when it can.
func TestLogReaderHangs(t *testing.T) {
	const sentence = "vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2 dev eth0"
	t.Run("for ever", func(t *testing.T) {
		a, _ := hosts(t)
		p := a.startPiped(true, sentence)
		a.complain()
		if err := a.answers(); err != nil {
			t.Errorf("while a line waits for its reader: %v", err)
		}
		p.endsWith(exitDone)
	})
	t.Run("for a while", func(t *testing.T) {
		a, _ := hosts(t)
		p := a.startPiped(true, sentence)
		a.complain()
		out := make(chan string, 1)
		go func() {
			b, _ := io.ReadAll(p.log)
			out <- strings.TrimLeft(string(b), "\x00")
		}()
		p.endsWith(exitDone)
		got := <-out
		if !strings.HasPrefix(got, "uvtep: ready\n") || !strings.Contains(got, "the link is not complete") || !strings.HasSuffix(got, "\n") {
			t.Errorf("the log is %q", got)
		}
	})
}

// TestLastWordsToHungReader: a daemon that cannot start ends with its exit status,
// whoever reads.
func TestLastWordsToHungReader(t *testing.T) {
	a, _ := hosts(t)
	a.daemon("")
	p := a.startPiped(true, "vxlan0 id 42")
	select {
	case err := <-p.ended:
		p.ended <- err
		if got := p.ProcessState.ExitCode(); got != exitRefused {
			t.Errorf("ended with %d, want %d", got, exitRefused)
		}
	case <-time.After(timeout):
		t.Error("it waits for its reader")
	}
}
