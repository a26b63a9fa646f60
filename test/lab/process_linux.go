package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Command is a program to run in a host.
type Command struct {
	Path   string   // looked up in PATH where it has no slash
	Args   []string // without the program's name
	Env    []string // added to the environment of this process
	Dir    string
	Stdin  io.Reader
	Stdout io.Writer  // a copy of the standard output, besides the captured one; may be nil
	Stderr io.Writer  // the same for the standard error
	Files  []*os.File // its descriptors 3, 4 and so on
}

// Process is a running child in a host. It is killed when the lab is closed or this process dies.
type Process struct {
	host   *Host
	cmd    *exec.Cmd
	stdout output
	stderr output
	done   chan struct{}
	err    error // of cmd.Wait; valid once done is closed
}

// Start starts a program in the host.
func (h *Host) Start(c Command) (*Process, error) {
	p := &Process{host: h, done: make(chan struct{})}
	p.cmd = exec.Command(c.Path, c.Args...)
	p.cmd.Env = append(os.Environ(), c.Env...)
	p.cmd.Dir, p.cmd.Stdin = c.Dir, c.Stdin
	p.cmd.ExtraFiles = c.Files
	p.stdout.also, p.stderr.also = c.Stdout, c.Stderr
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.WaitDelay = time.Second // a grandchild that keeps the pipe open must not hold Wait
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}

	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		// The thread stays with the child for as long as it runs: the death signal is the thread's.
		err := onThisThread(h.inside(func() error {
			if err := p.cmd.Start(); err != nil {
				return err
			}
			started <- nil
			p.err = p.cmd.Wait()
			return nil
		}))
		if p.cmd.Process == nil {
			started <- err
		}
		p.stdout.finish()
		p.stderr.finish()
	}()
	if err := <-started; err != nil {
		<-p.done
		return nil, h.wrapf(err, "start %s", c.Path)
	}
	if err := h.lab.keep(p); err != nil {
		return nil, errors.Join(h.wrap(err), p.Close())
	}
	return p, nil
}

// Run runs a program in the host to its end and returns what it wrote. An exit status other than 0 is an *exec.ExitError
// in the error's chain; the program is killed when ctx ends.
func (h *Host) Run(ctx context.Context, path string, args ...string) (stdout, stderr string, err error) {
	p, err := h.Start(Command{Path: path, Args: args})
	if err != nil {
		return "", "", err
	}
	defer p.Close()
	select {
	case <-p.done:
		err = p.err
	case <-ctx.Done():
		err = errors.Join(ctx.Err(), p.Close())
	}
	if err != nil {
		err = h.wrapf(err, "%s %s: %s", path, strings.Join(args, " "), strings.TrimSpace(p.Stderr()))
	}
	return p.Stdout(), p.Stderr(), err
}

// Pid returns the child's process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Stdout returns what the child wrote to its standard output so far.
func (p *Process) Stdout() string { return p.stdout.String() }

// Stderr returns what the child wrote to its standard error so far.
func (p *Process) Stderr() string { return p.stderr.String() }

// Done is closed when the child has ended and all its output is there.
func (p *Process) Done() <-chan struct{} { return p.done }

// Signal sends the child a signal. A child that has ended already gives os.ErrProcessDone.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Wait waits for the child's end and returns as exec.Cmd.Wait does, or with an error after timeout.
func (p *Process) Wait(timeout time.Duration) error {
	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case <-p.done:
		return p.err
	case <-t.C:
		return p.host.wrap(fmt.Errorf("%s still runs after %v", p.cmd.Path, timeout))
	}
}

// Stop sends SIGTERM, waits, and kills the child where it does not end within timeout, which is an error.
func (p *Process) Stop(timeout time.Duration) error {
	if err := p.Signal(unix.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return p.host.wrap(err)
	}
	err := p.Wait(timeout)
	select {
	case <-p.done:
		p.host.lab.forget(p)
		return p.err
	default:
		return errors.Join(err, p.Close())
	}
}

// ExitCode returns the child's exit status: -1 while it runs and where a signal ended it.
func (p *Process) ExitCode() int {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	default:
		return -1
	}
}

// CPU returns the processor time of a child that has ended, the kernel's for it included; 0 while it runs.
func (p *Process) CPU() time.Duration {
	select {
	case <-p.done:
		return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
	default:
		return 0
	}
}

// Close kills the child if it still runs and waits for its end.
func (p *Process) Close() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return p.host.wrapf(err, "kill %s", p.cmd.Path)
	}
	<-p.done
	p.host.lab.forget(p)
	return nil
}

// WaitStdout waits until the child's standard output holds text. It fails when the child ends or the time is up before.
func (p *Process) WaitStdout(text string, timeout time.Duration) error {
	return p.waitFor(&p.stdout, text, timeout)
}

// WaitStderr is WaitStdout for the standard error, e.g. for the line "uvtep: ready".
func (p *Process) WaitStderr(text string, timeout time.Duration) error {
	return p.waitFor(&p.stderr, text, timeout)
}

func (p *Process) waitFor(o *output, text string, timeout time.Duration) error {
	t := time.NewTimer(timeout)
	defer t.Stop()
	for {
		have, more := o.state()
		if strings.Contains(have, text) {
			return nil
		}
		why := ""
		select {
		case <-more:
			continue
		case <-p.done:
			if strings.Contains(o.String(), text) {
				return nil
			}
			why = fmt.Sprintf("ended (%v)", p.err)
		case <-t.C:
			why = fmt.Sprintf("%v passed", timeout)
		}
		return p.host.wrap(fmt.Errorf("%s: %s before it wrote %q; stdout: %q stderr: %q", p.cmd.Path, why, text,
			p.Stdout(), p.Stderr()))
	}
}

// output collects what a child writes and tells waiters that there is more.
type output struct {
	also io.Writer

	mu       sync.Mutex
	b        bytes.Buffer
	more     chan struct{} // closed at the next write
	finished bool
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b.Write(b)
	if o.more != nil {
		close(o.more)
		o.more = nil
	}
	if o.also != nil {
		return o.also.Write(b)
	}
	return len(b), nil
}

// String returns what was written so far.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// state returns what was written so far and a channel that is closed when there is more; it is nil when there never
// will be.
func (o *output) state() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.more == nil && !o.finished {
		o.more = make(chan struct{})
	}
	return o.b.String(), o.more
}

func (o *output) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.finished = true
}
