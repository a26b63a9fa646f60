package lab

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Host is one network namespace. Its methods are safe for concurrent use until its Lab is closed.
type Host struct {
	lab  *Lab
	name string

	mu  sync.RWMutex // held for reading while one of these is in use
	ns  int          // -1 once closed
	rtn *netlink.Handle
}

// prepare brings the loopback up and quietens IPv6.
func (h *Host) prepare() error {
	rtn, err := netlink.NewHandleAt(netns.NsHandle(h.ns), unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("lab: host %q: netlink: %w", h.name, err)
	}
	h.rtn = rtn
	if err := h.SetUp("lo", true); err != nil {
		return err
	}
	for _, key := range []string{"accept_dad", "router_solicitations"} {
		err := h.Sysctl("net.ipv6.conf.default."+key, "0")
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6 has no such file
			return err
		}
	}
	return nil
}

// close deletes the devices and drops the namespace.
func (h *Host) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ns >= 0 && h.rtn != nil {
		h.deleteLinks()
	}
	return h.letGo()
}

// Abandon lets the namespace go with the devices in it, as when the last process of a container ends: the kernel deletes
// them in the background. Nothing else can be done with the host afterwards.
func (h *Host) Abandon() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.letGo()
}

// letGo closes what keeps the namespace alive; h.mu is held.
func (h *Host) letGo() error {
	if h.ns < 0 {
		return nil
	}
	if h.rtn != nil {
		h.rtn.Close()
	}
	err := os.NewSyscallError("close", unix.Close(h.ns))
	h.ns = -1
	return err
}

// deleteLinks removes the devices before the namespace goes, because the kernel cleans a namespace up later and in the
// background. Errors do not count: a device may have gone with its peer, and the namespace takes the rest with it.
func (h *Host) deleteLinks() {
	links, _ := h.rtn.LinkList()
	for _, l := range links {
		switch l.Type() {
		case "veth", "bridge", "vxlan", "tuntap", "dummy", "vrf":
			_ = h.rtn.LinkDel(l)
		}
	}
}

// Name returns the name given to Lab.Host.
func (h *Host) Name() string { return h.name }

// String returns the host's name, for messages.
func (h *Host) String() string { return h.name }

// Lab returns the lab that the host belongs to.
func (h *Host) Lab() *Lab { return h.lab }

// Path returns a path that names the namespace as long as this process and the lab live, e.g. for
// `nsenter --net=/proc/PID/fd/N`. It is empty once the lab is closed.
func (h *Host) Path() string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.ns < 0 {
		return ""
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), h.ns)
}

// Do runs f inside the host, on a thread of its own, and returns its error. What f opens (sockets, TAP devices) stays in
// the host; goroutines that f starts do not. f must return: t.Fatal inside it is reported as an error.
func (h *Host) Do(f func() error) error { return onThread(h.inside(f)) }

// inside wraps f so that the calling (locked) thread is in the namespace while f runs.
func (h *Host) inside(f func() error) func() error {
	return func() error {
		if err := h.enter(); err != nil {
			return err
		}
		return f()
	}
}

// Enter moves the calling goroutine into the host until the goroutine ends, for tests that do all of their work in one
// host. The goroutine stays locked to its thread, and the thread ends with it.
func (h *Host) Enter() error {
	runtime.LockOSThread()
	return h.enter()
}

func (h *Host) enter() error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.ns < 0 {
		return fmt.Errorf("lab: host %q: %w", h.name, ErrClosed)
	}
	if err := unix.Setns(h.ns, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("lab: host %q: %w", h.name, os.NewSyscallError("setns", err))
	}
	return nil
}

// Netlink calls f with a route netlink handle that works in the host, for what this package has no method for. The handle
// belongs to the lab and must not be used after f: a closed one would work on the caller's own namespace.
func (h *Host) Netlink(f func(*netlink.Handle) error) error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.ns < 0 {
		return fmt.Errorf("lab: host %q: %w", h.name, ErrClosed)
	}
	return f(h.rtn)
}

// withNS calls f with a file descriptor of the namespace that is good until f returns.
func (h *Host) withNS(f func(fd int) error) error {
	fd := -1
	err := h.Netlink(func(*netlink.Handle) (err error) {
		fd, err = unix.FcntlInt(uintptr(h.ns), unix.F_DUPFD_CLOEXEC, 0)
		return os.NewSyscallError("fcntl", err)
	})
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return f(fd)
}

// ReadProcNet returns the host's /proc/net/NAME, e.g. "igmp", "igmp6", "snmp" or "dev_mcast".
func (h *Host) ReadProcNet(name string) (string, error) {
	var b []byte
	err := h.Do(func() (err error) {
		b, err = os.ReadFile("/proc/thread-self/net/" + name)
		return err
	})
	return string(b), h.wrap(err)
}

// Sysctl sets a network parameter of the host, named with dots: "net.ipv4.ip_forward", "1". A device name that holds a
// dot is written with a slash instead, as sysctl(8) does.
func (h *Host) Sysctl(key, value string) error {
	path := sysctlPath(key)
	return h.wrap(h.Do(func() error { return os.WriteFile(path, []byte(value), 0) }))
}

func sysctlPath(key string) string {
	return "/proc/sys/" + strings.NewReplacer(".", "/", "/", ".").Replace(key)
}

// wrap puts the host's name in front of an error.
func (h *Host) wrap(err error) error {
	if err == nil || errors.Is(err, ErrClosed) {
		return err
	}
	return fmt.Errorf("lab: host %q: %w", h.name, err)
}
