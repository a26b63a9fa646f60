package lab

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// ErrUnavailable marks the errors that mean "this process or this kernel cannot have a lab", as opposed to a lab that
// failed. Tests skip on it.
var ErrUnavailable = errors.New("network namespaces are not available here")

// ErrClosed is returned by the methods of a Host whose Lab was closed.
var ErrClosed = errors.New("the lab is closed")

// threadNetNS names the network namespace of the calling thread. /proc/self/ns/net would be the main thread's.
const threadNetNS = "/proc/thread-self/ns/net"

// Lab is a set of hosts that live and die together. Its methods are safe for concurrent use.
type Lab struct {
	mu       sync.Mutex
	hosts    []*Host
	closers  []closer // captures, sockets and processes, in the order in which they were made
	closed   bool
	switches int

	naming sync.Mutex // held from the choice of a device name to the making of the device; taken before mu
}

type closer interface{ Close() error }

// New returns an empty lab. The error wraps [ErrUnavailable] where the caller lacks the capabilities (see [Reexec]).
func New() (*Lab, error) {
	if err := privileged(); err != nil {
		return nil, err
	}
	fd, err := newNamespace()
	if err != nil {
		return nil, err
	}
	if err := unix.Close(fd); err != nil {
		return nil, os.NewSyscallError("close", err)
	}
	return &Lab{}, nil
}

// Close kills the processes that were started in the hosts, stops captures, deletes every device and lets the
// namespaces go. It may be called twice.
func (l *Lab) Close() error {
	l.mu.Lock()
	hosts, closers := l.hosts, l.closers
	l.hosts, l.closers, l.closed = nil, nil, true
	l.mu.Unlock()

	var errs []error
	for _, c := range slices.Backward(closers) {
		errs = append(errs, c.Close())
	}
	for _, h := range slices.Backward(hosts) {
		errs = append(errs, h.close())
	}
	return errors.Join(errs...)
}

// Host makes a host: a new network namespace with the loopback up. IPv6 duplicate address detection and router
// solicitation are off in it, so that link-local addresses work at once and captures are quiet.
func (l *Lab) Host(name string) (*Host, error) {
	fd, err := newNamespace()
	if err != nil {
		return nil, err
	}
	h := &Host{lab: l, name: name, ns: fd}
	if err := h.prepare(); err != nil {
		return nil, errors.Join(err, h.close())
	}
	l.mu.Lock()
	if !l.closed {
		l.hosts = append(l.hosts, h)
		l.mu.Unlock()
		return h, nil
	}
	l.mu.Unlock()
	return nil, errors.Join(fmt.Errorf("lab: host %q: %w", name, ErrClosed), h.close())
}

// keep registers c to be closed with the lab.
func (l *Lab) keep(c closer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	l.closers = append(l.closers, c)
	return nil
}

// forget is the reverse of keep, for what was closed before the lab.
func (l *Lab) forget(c closer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.closers, c); i >= 0 {
		l.closers = slices.Delete(l.closers, i, i+1)
	}
}

// newNamespace returns a file descriptor of a new network namespace that nothing else refers to.
func newNamespace() (int, error) {
	fd := -1
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			err = os.NewSyscallError("unshare", err)
			if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSPC) {
				return fmt.Errorf("lab: %w: %w", ErrUnavailable, err)
			}
			return fmt.Errorf("lab: new network namespace: %w", err)
		}
		var err error
		fd, err = openNS(threadNetNS)
		return err
	})
	return fd, err
}

func openNS(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("lab: open %s: %w", path, os.NewSyscallError("open", err))
	}
	return fd, nil
}

// onThread runs f on a locked thread that f may take to another namespace, and waits for it. The thread is brought back
// afterwards; where that fails the goroutine ends locked and the runtime discards the thread with it.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := errGoexit
		defer func() { done <- err }()
		err = onThisThread(f)
	}()
	return <-done
}

var errGoexit = errors.New("lab: the function did not return (t.Fatal and t.FailNow must be called outside Do)")

// onThisThread is onThread in the calling goroutine, for goroutines of our own.
func onThisThread(f func() error) (err error) {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		// Not the main thread: it is what /proc/self stands for, and the runtime cannot discard it. While it is locked
		// here another goroutine gets another thread.
		defer runtime.UnlockOSThread()
		return onThread(f)
	}
	home, err := openNS(threadNetNS)
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() {
		defer unix.Close(home)
		if back := unix.Setns(home, unix.CLONE_NEWNET); back != nil {
			err = errors.Join(err, fmt.Errorf("lab: leave namespace: %w", os.NewSyscallError("setns", back)))
			return
		}
		runtime.UnlockOSThread()
	}()
	return f()
}

// KernelHasVXLAN reports whether this kernel can make a vxlan device, by making one in a namespace of its own. It is
// false as well where no namespace can be made.
func KernelHasVXLAN() bool {
	if privileged() != nil {
		return false
	}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		h, err := netlink.NewHandleAt(netns.None(), unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		return h.LinkAdd(&netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "probe"}, VxlanId: 1, Port: 4789})
	})
	return err == nil
}
