package txring

import (
	"errors"
	"maps"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
)

const (
	// restFor is the least time between two looks at all paths, where there are fewPaths at most, else a second: where messages of
	// changes come in a storm, all leaves by sockets.
	restFor  = 100 * time.Millisecond
	fewPaths = 512
	// lookAllEvery is after how many seconds all paths are looked at again without a message.
	lookAllEvery = 10
	// forgetAfter is after how many seconds a path is forgotten that no packet takes.
	forgetAfter = 10
)

// follower is what Follow knows.
type follower struct {
	*Rings
	known map[pathKey]*path
	stale bool // all of known is to be looked at
	may   bool // look at all
	buf   []byte
}

// Follow keeps what is known of paths true, until done is closed.
func (r *Rings) Follow(done <-chan struct{}) {
	if r.mode == Off || r.events == nil {
		return
	}
	f := &follower{Rings: r, known: r.paths.all(), may: true, buf: make([]byte, 64<<10)}
	rest, second := time.NewTicker(restFor), time.NewTicker(r.every)
	defer rest.Stop()
	defer second.Stop()
	for n := 1; ; {
		f.await()
		f.hear()
		select {
		case <-done:
			return
		case <-rest.C:
			f.may = f.may || len(f.known) <= fewPaths
		default:
		}
		select {
		case <-second.C:
			f.may = true
			r.judge()
			f.everySecond()
			f.stale = f.stale || n%lookAllEvery == 0
			n++
		default:
		}
		if f.stale && f.may {
			f.lookAtAll()
		}
		if !f.stale {
			f.meet()
		}
	}
}

// await waits for a message, or packets that have no path, or for a while.
func (f *follower) await() {
	fds := []unix.PollFd{{Fd: int32(f.events.GetFd()), Events: unix.POLLIN}, {Fd: int32(f.wake), Events: unix.POLLIN}}
	if n, err := unix.Poll(fds, int(min(restFor, f.every).Milliseconds())); err != nil || n == 0 {
		return
	}
	var count [8]byte
	_, _ = unix.Read(f.wake, count[:])
}

// hear reads the kernel's messages of changes. All paths are dropped at any but one about a neighbour.
func (f *follower) hear() {
	var turned []netlink.Neigh
	changed := false
	for {
		n, _, err := unix.Recvfrom(f.events.GetFd(), f.buf, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		messages, bad := syscall.ParseNetlinkMessage(f.buf[:max(n, 0)])
		if err != nil || bad != nil { // some were lost
			changed = true
			if err != nil && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EINTR) {
				break
			}
			continue
		}
		for i := range messages {
			m := &messages[i]
			if m.Header.Type != unix.RTM_NEWNEIGH && m.Header.Type != unix.RTM_DELNEIGH {
				changed = true
				continue
			}
			if n, err := netlink.NeighDeserialize(m.Data); err == nil && n.Family != unix.AF_BRIDGE {
				if m.Header.Type == unix.RTM_DELNEIGH {
					n.State = unix.NUD_NONE
				}
				turned = append(turned, *n)
			}
		}
	}
	if changed {
		f.paths.at.Store(nil)
		f.stale = true
		f.judge()
	}
	f.turn(turned)
}

// turn drops the paths through neighbours that changed, and looks at them again.
func (f *follower) turn(neighbours []netlink.Neigh) {
	var again []pathKey
	for i := range neighbours {
		n := &neighbours[i]
		at, mac, ok := neighbourOf(n)
		for key, h := range f.known {
			if h.dev != n.LinkIndex || h.hop != at || h.state.Load() == gone {
				continue
			}
			if is := h.why == ""; is != ok || is && h.head.neighbour() != mac {
				h.state.Store(gone)
				again = append(again, key)
			}
		}
	}
	if len(again) == 0 || f.stale {
		return
	}
	r := f.round()
	for _, key := range again {
		f.known[key] = r.look(key)
	}
	f.publish()
}

// lookAtAll looks at all paths.
func (f *follower) lookAtAll() {
	f.stale, f.may = false, false
	r := f.round()
	for key, h := range f.known {
		is := r.look(key)
		is.idle = h.idle
		is.state.Store(h.state.Load() & socketsTurn) // not gone
		f.known[key] = is
	}
	f.publish()
}

// meet finds out about the paths that packets ask for.
func (f *follower) meet() {
	f.asked.Store(false)
	var r *round
	for {
		select {
		case key := <-f.wanted:
			if r == nil {
				r = f.round()
			}
			if f.known[key] == nil && len(f.known) < mostPaths {
				f.known[key] = r.look(key)
			}
			continue
		default:
		}
		break
	}
	if r != nil {
		f.publish()
	}
}

// everySecond forgets paths that nothing takes, and gives the others' next datagrams to sockets. What changes without a
// message is looked at: the path MTU, which ICMP lowers.
func (f *follower) everySecond() {
	changed := false
	r := f.round()
	for key, h := range f.known {
		if h.state.CompareAndSwap(ready, socketsTurn) {
			h.idle = 0
		} else if h.idle++; h.idle > forgetAfter {
			delete(f.known, key)
			changed = true
			continue
		}
		if h.why == "" && h.idle == 0 && h.differs() {
			h.state.Store(gone)
			f.known[key] = r.look(key)
			changed = true
		}
	}
	if changed && !f.stale {
		f.publish()
	}
}

// differs reports whether a socket's packets would not be as those of h are.
func (h *path) differs() bool {
	s, err := underlay.ConnectedTo(h.key.local, h.key.dst, h.key.port, h.metric)
	return err != nil || s.Source != h.src || s.MTU != h.mtu || s.HopLimit != h.hops
}

// publish has packets take what is known.
func (f *follower) publish() {
	all := maps.Clone(f.known)
	f.paths.at.Store(&all)
}

// neighbour is the address of the next hop.
func (h *head) neighbour() encap.MAC { return encap.MAC(h.b[vnetLen:]) }
