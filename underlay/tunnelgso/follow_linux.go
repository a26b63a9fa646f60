package tunnelgso

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/underlay"
)

const (
	// lookEvery is how often what changes without a word is looked at: a path's MTU, messages of the kernel.
	lookEvery = time.Second
	// probeEvery is after how many of those each path in use is found and probed again, since not every firewall
	// tells of its changes (iptables-legacy).
	probeEvery = 10
	// forgetAfter is how many of those a path is kept that no packet asks for.
	forgetAfter = 10
)

// Follow keeps what is known of paths true, until done is closed.
func (w *Way) Follow(done <-chan struct{}) {
	if w.mode == Off || w.events == nil {
		return
	}
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-done:
			return
		case key := <-w.wanted:
			n--
			w.meet(key)
		case <-tick.C:
			changed := w.events.changed()
			w.renew()
			w.lookAgain(changed || n%probeEvery == 0)
		}
	}
}

// renew gives up a TAP that somebody deleted or set down. The next superframe has another made.
func (w *Way) renew() {
	if w.failed.Swap(false) {
		_ = w.shut() // of what is gone
	}
}

// meet finds out about the paths that packets ask for, of which key is the first.
func (w *Way) meet(key pathKey) {
	r, err := w.round()
	if err != nil {
		return // a later packet asks again
	}
	defer r.end()
	all := w.paths.all()
	for more := true; more; {
		if all[key] == nil && len(all) < mostPaths {
			all[key] = r.look(key)
		}
		select {
		case key = <-w.wanted:
		default:
			more = false
		}
	}
	w.paths.at.Store(&all)
}

// lookAgain looks at each path that is in use: whether a socket's packets have what the path's have, and where anew is
// set, at all of it.
func (w *Way) lookAgain(anew bool) {
	if w.paths.at.Load() == nil {
		return
	}
	r, err := w.round()
	if err != nil {
		return // the next second comes
	}
	defer r.end()
	all := w.paths.all()
	changed := false
	for key, h := range all {
		if !h.used.Swap(false) {
			if h.idle++; h.idle >= forgetAfter {
				delete(all, key)
				changed = true
				continue
			}
		} else {
			h.idle = 0
		}
		is := h
		if anew || h.why == "" && r.differs(h) {
			is = r.look(key)
		}
		if !is.same(h) {
			is.idle = h.idle
			all[key] = is
			changed = true
		} else if anew && h.why == "" {
			h.trial.again(r.mode)
		}
	}
	if changed {
		w.paths.at.Store(&all)
	}
}

// same reports whether the packets of both paths are the same.
func (h *path) same(o *path) bool {
	return h.why == o.why && h.src == o.src && h.mtu == o.mtu && h.hops == o.hops && h.ethernet == o.ethernet
}

// differs reports whether a socket's packets would not be as those of h are.
func (r *round) differs(h *path) bool {
	s, err := underlay.ConnectedTo(h.key.local, h.key.dst, h.key.port, h.metric)
	return err != nil || s.Source != h.src || s.MTU != h.mtu || s.HopLimit != h.hops
}

// events are the kernel's messages about what paths depend on, by socket. The sockets are the package's own: nl.Subscribe, where it
// fails, leaves a descriptor that is closed twice.
type events struct{ fds []int }

// Groups of nfnetlink that package unix has not (include/uapi/linux/netfilter/nfnetlink.h).
const nfnlGroupNftables = 7

// listen has the kernel send messages: of routes and rules, links and their features, addresses, and of nftables where it is
// there and the process may hear it.
func listen() (*events, error) {
	routes, err := subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE, unix.RTNLGRP_NEXTHOP)
	if err != nil {
		return nil, err
	}
	e := &events{[]int{routes}}
	if rules, err := subscribe(unix.NETLINK_NETFILTER, nfnlGroupNftables); err == nil {
		e.fds = append(e.fds, rules)
	}
	return e, nil
}

// subscribe opens a socket that messages to groups come to (netlink(7)).
func subscribe(protocol int, groups ...int) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
	for _, g := range groups {
		if err == nil {
			err = os.NewSyscallError("setsockopt NETLINK_ADD_MEMBERSHIP", unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, g))
		}
	}
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// changed reports whether there were messages since the call before, or some were lost, and forgets them.
func (e *events) changed() (any bool) {
	var b [1]byte
	for _, fd := range e.fds {
		for {
			_, _, err := unix.Recvfrom(fd, b[:], unix.MSG_DONTWAIT|unix.MSG_TRUNC)
			if errors.Is(err, unix.EAGAIN) {
				break
			}
			if any = true; err != nil && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EINTR) {
				break
			}
		}
	}
	return any
}

func (e *events) close() {
	if e != nil {
		for _, fd := range e.fds {
			_ = unix.Close(fd) // nothing is written
		}
	}
}
