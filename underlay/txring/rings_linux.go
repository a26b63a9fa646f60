package txring

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/underlay"
)

// mostRings bounds the rings, one a processor, and so their memory.
const mostRings = 8

// Rings are the rings by which datagrams leave, and what is known of the paths that they take. They are of the network
// namespace that they were opened in.
type Rings struct {
	mode   Mode
	labels bool // the kernel gives packets of IPv6 sockets flow labels
	seed   uint32
	every  time.Duration

	open    atomic.Bool // rings may be used at present
	batches []*batch
	paths   paths
	wanted  chan pathKey // paths that packets had no entry for
	asked   atomic.Bool  // the follower was woken for them
	wake    int          // eventfd(2)
	waking  [8]byte      // what is written to it

	// The rest is the follower's, and Open's before.
	handle  *netlink.Handle
	sockets map[int]*nl.SocketHandle
	events  *nl.NetlinkSocket

	reason struct { // why no ring is used; read by everybody
		sync.Mutex
		why string
	}
}

// Open opens the rings, all that there will be: the daemon's sandbox lets no packet socket be made. Where it cannot, the Rings say
// why, and nothing leaves by them.
func Open(mode Mode) *Rings {
	r := &Rings{mode: mode, every: time.Second, seed: rand.Uint32(), wanted: make(chan pathKey, 1024), wake: -1, waking: [8]byte{1}}
	if mode == Off {
		r.say("switched off")
		return r
	}
	r.labels = underlay.AutoFlowLabels()
	if err := r.make(); err != nil {
		r.say(err.Error())
		_ = r.Close() // what was opened
	}
	return r
}

// make opens all that is needed.
func (r *Rings) make() error {
	for range min(runtime.NumCPU(), mostRings) {
		ring, err := openRing()
		if err != nil {
			return err
		}
		r.batches = append(r.batches, newBatch(ring))
	}
	var err error
	if r.events, err = nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_NEIGH, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE, unix.RTNLGRP_NEXTHOP); err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	if r.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	s, err := nl.Subscribe(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	r.sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: s}}
	if r.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	r.judge()
	return nil
}

// judge looks whether rings may be used.
func (r *Rings) judge() {
	why := r.bypassed()
	r.say(why)
	r.open.Store(why == "")
}

// say notes why no ring is used; "": they are.
func (r *Rings) say(why string) {
	r.reason.Lock()
	defer r.reason.Unlock()
	r.reason.why = why
}

// want has the follower find out about a path.
func (r *Rings) want(key pathKey) {
	select {
	case r.wanted <- key:
		if r.asked.CompareAndSwap(false, true) {
			_, _ = unix.Write(r.wake, r.waking[:]) // it is woken in any case within a second
		}
	default: // a later packet asks again
	}
}

// borrow is a batch that nobody uses; nil: there is none.
func (r *Rings) borrow() *batch {
	for _, b := range r.batches {
		if !b.busy.Load() && b.busy.CompareAndSwap(false, true) {
			return b
		}
	}
	return nil
}

// Close closes the rings. Follow has ended.
func (r *Rings) Close() error {
	r.open.Store(false)
	r.paths.at.Store(nil)
	var errs []error
	for _, b := range r.batches {
		for !b.busy.CompareAndSwap(false, true) { // whoever has it waits for nothing
			runtime.Gosched()
		}
		errs = append(errs, b.ring.close())
	}
	r.batches = nil
	if r.events != nil {
		r.events.Close()
		r.events = nil
	}
	for _, s := range r.sockets {
		s.Close()
	}
	r.sockets = nil
	if r.handle != nil {
		r.handle.Close()
		r.handle = nil
	}
	if r.wake >= 0 {
		errs = append(errs, unix.Close(r.wake))
		r.wake = -1
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("tx ring: close: %w", err)
	}
	return nil
}

// notAsked is why nothing is known yet.
const notAsked = "no four datagrams came yet at once that cannot be joined"

// state tells whether datagrams of a transmitter leave by rings to some remote, whether they cannot to some, and why not.
func (r *Rings) state(t *Transmitter) (on, refused bool, why string) {
	r.reason.Lock()
	why = r.reason.why
	r.reason.Unlock()
	if why != "" {
		return false, r.mode != Off, why
	}
	m := r.paths.at.Load()
	if m == nil {
		return false, false, notAsked
	}
	var least *path // always the same of several
	for key, h := range *m {
		switch {
		case key.local != t.local || key.zero != t.zero || key.dst.Is4() == t.v6 || h.state.Load() == gone:
		case h.why == "":
			on = true
		case least == nil || bytes.Compare(key.dst[:], least.key.dst[:]) < 0:
			least = h
		}
	}
	switch {
	case least != nil:
		return on, true, fmt.Sprintf("to %s: %s", least.key.dst, least.why)
	case on:
		return true, false, ""
	}
	return false, false, notAsked
}
