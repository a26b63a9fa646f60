package tap

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
)

// Device is an open TAP. Its methods may be called concurrently, but for
// ReadBatch of one queue.
type Device struct {
	queues  []*queue
	hub     *hub // of the namespace in which the device was opened
	offload Offload
	config  Config // as validated
	super   superframes
	off     atomic.Uint32 // the Offload that the netdev has switched off, as Watch found it last
	dropped uint64        // by the kernel before the device was opened; see Losses

	lookEvery time.Duration // awayInterval, but for tests

	closing sync.Once
	done    chan struct{} // closed by Close
	deleted sync.Once
	gone    chan struct{} // closed by the first to find the netdev deleted
}

// Queues is the number of queues.
func (d *Device) Queues() int { return len(d.queues) }

// Offload is what the kernel granted of Config.Offload.
func (d *Device) Offload() Offload { return d.offload }

// Offloads is what is in use at present. A Watch has to be under way for what others switch at the netdev.
func (d *Device) Offloads() Offloads {
	o := offloadsOf(d.config, d.offload, d.WriteOffload())
	o.Off = o.Read & Offload(d.off.Load())
	o.Read &^= o.Off
	return o
}

// ReadBatch blocks until queue q has a frame, then takes what is there without
// waiting, and returns how many. A frame's Data is valid, and may be written
// to, until the next ReadBatch of q, which belongs to one goroutine. A closed
// device returns os.ErrClosed, a deleted one ErrGone. It does not allocate.
func (d *Device) ReadBatch(q int, frames []encap.Frame) (int, error) {
	n, err := d.queues[q].read(frames)
	if err != nil {
		return 0, d.note(err)
	}
	return n, nil
}

// WriteBatch hands the frames to the host through queue q and returns how many
// the kernel took. It neither keeps nor changes them, does not block, and does
// not allocate. Frames that are not taken are lost: all from the first one on
// with ErrDown or ErrGone, single ones with ErrRefused. Superframes may have up
// to 127 slices in More; what the kernel does not take whole is cut.
func (d *Device) WriteBatch(q int, frames []encap.Frame) (int, error) {
	n, err := d.queues[q].write(frames)
	if err != nil {
		return n, d.note(err)
	}
	return n, nil
}

// note remembers that the netdev was deleted and passes err on.
func (d *Device) note(err error) error {
	if errors.Is(err, ErrGone) {
		d.deleted.Do(func() { close(d.gone) })
	}
	return err
}

// Close releases the device, wakes its readers and ends its Watch calls. The
// netdev goes unless it is persistent. Closing again does nothing.
func (d *Device) Close() error {
	var err error
	d.closing.Do(func() {
		close(d.done)
		for _, q := range d.queues {
			err = errors.Join(err, q.close())
		}
		hubs.release(d.hub)
	})
	if err != nil {
		return fmt.Errorf("tap: close: %w", err)
	}
	return nil
}

// State is what the netdev is now, in whatever namespace it is. A deleted one
// returns ErrGone.
func (d *Device) State() (State, error) {
	s, _, err := d.locate()
	if err == nil || errors.Is(err, ErrGone) || errors.Is(err, os.ErrClosed) {
		return s, err
	}
	return s, fmt.Errorf("tap: state: %w", err)
}

// Set changes the netdev, in whatever namespace it is; there it may take
// CAP_SYS_ADMIN. The parts of ch are applied in the kernel's order, and it
// stops at the first that is refused.
func (d *Device) Set(ch Change) error {
	s, nsid, err := d.locate()
	if err == nil {
		err = d.set(s.Index, nsid, ch)
	}
	if errors.Is(err, ErrPermission) && ch.linkPart().madeBy(&s) {
		err = nil
	}
	if err == nil || errors.Is(err, ErrGone) || errors.Is(err, os.ErrClosed) {
		return err
	}
	return fmt.Errorf("tap: set: %w", err)
}

// linkPart is what of ch takes RTM_SETLINK.
func (ch Change) linkPart() Change {
	ch.Persist, ch.Owner, ch.Group = nil, nil, nil
	return ch
}

// madeBy reports whether s is as ch would have it, so that nothing is left to set.
func (ch Change) madeBy(s *State) bool {
	return same(ch.Up, s.Up) && same(ch.MAC, s.MAC) && same(ch.MTU, s.MTU) && same(ch.TxQueueLen, s.TxQueueLen) &&
		same(ch.GSOMaxSize, s.GSOMaxSize) && same(ch.GSOMaxSegs, s.GSOMaxSegs) && (ch.Name == "" || ch.Name == s.Name)
}

// same reports whether want asks for what is, or for nothing.
func same[T comparable](want *T, is T) bool { return want == nil || *want == is }

// set is Set of the netdev that locate found.
func (d *Device) set(index, nsid int, ch Change) error {
	err := d.queues[0].control(func(fd int) error {
		if err := setOwners(fd, ch.Owner, ch.Group); err != nil {
			return err
		}
		if ch.Persist != nil {
			if err := setPersist(fd, *ch.Persist); err != nil {
				return err
			}
		}
		ch = ch.linkPart()
		if ch == (Change{}) {
			return nil
		}
		if nsid == home {
			return d.hub.rtnl.set(index, ch)
		}
		return setElsewhere(fd, index, ch)
	})
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w (%w)", ErrPermission, err)
	}
	return err
}

// setElsewhere changes the netdev of fd in the namespace that it moved to.
// RTM_SETLINK takes no namespace id to look in, unlike RTM_GETLINK: there
// IFLA_TARGET_NETNSID means "move it there". So a socket must be opened inside.
func setElsewhere(fd, index int, ch Change) error {
	ns, err := deviceNetns(fd)
	if err != nil {
		return err
	}
	defer unix.Close(ns)
	r, err := dialRTNL(netns.NsHandle(ns))
	if err != nil {
		return err
	}
	defer r.close()
	return r.set(index, ch)
}

// maxLocate bounds how often the netdev may be renamed or moved between the
// steps of looking it up.
const maxLocate = 8

// locate finds the netdev through its queue: the namespace it is in, that
// one's id in the hub's, and there its state.
func (d *Device) locate() (State, int, error) {
	m, id, nsid, err := d.message(rtextFilterSkipStats)
	if err != nil {
		return State{}, home, err
	}
	s := stateOf(m, id.inode)
	if nsid != home {
		s.Away, s.NSID = true, nsid
	}
	return s, nsid, nil
}

// message is locate for all that the kernel says of the netdev in a link message; ext is
// its IFLA_EXT_MASK.
func (d *Device) message(ext uint32) (m []byte, id netnsID, nsid int, err error) {
	for range maxLocate {
		err = d.queues[0].control(func(fd int) error {
			var err error
			m, id, nsid, err = d.hub.message(fd, ext)
			return err
		})
		if !errors.Is(err, unix.ENODEV) {
			break
		}
	}
	if err != nil {
		return nil, netnsID{}, home, d.note(err)
	}
	return m, id, nsid, nil
}

// message is one try of Device.message. ENODEV: it is elsewhere by now.
func (h *hub) message(fd int, ext uint32) ([]byte, netnsID, int, error) {
	id, nsid, err := h.netns(fd)
	if err != nil {
		return nil, id, home, err
	}
	name, _, err := attached(fd)
	if err != nil {
		return nil, id, home, err
	}
	m, err := h.rtnl.link(name, nsid, ext)
	return m, id, nsid, err
}

// netns is the namespace that the netdev of fd is in, and its id in the hub's.
// Without CAP_NET_ADMIN, as the mere owner of a persistent TAP, one is not
// told: it is then taken to be where it was opened.
func (h *hub) netns(fd int) (netnsID, int, error) {
	ns, err := deviceNetns(fd)
	if errors.Is(err, ErrPermission) {
		return h.id, home, nil
	}
	if err != nil {
		return netnsID{}, home, err
	}
	defer unix.Close(ns)
	id, err := netnsOf(ns)
	if err != nil || id == h.id {
		return id, home, err
	}
	nsid, err := h.rtnl.nsid(ns)
	return id, nsid, err
}
