package vtep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep/forward"
)

// netdev is a network device of the VTEP, with its port: of one link, or of a trunk port that
// links share.
type netdev struct {
	vtep *VTEP
	log  *slog.Logger // names the link or port
	port Port
	dev  Netdev

	losses losses
	lostTo []*forward.Counters // which count its losses
	read   func() uint64       // how many frames of the port were read; nil: its losses are always asked for

	// The rest is guarded by VTEP.mu.
	wasRead   uint64      // read at the call of idle before
	refused   tap.Offload // what the kernel refused, as last logged
	ownDowns  int         // how often the VTEP set the netdev down and Watch has not reported it yet
	stopWatch context.CancelFunc
}

// attachment is a link's part of a netdev: all of it, or a VLAN. The caller holds VTEP.mu,
// except for set and neighbours.
type attachment interface {
	// state is the link's state as its users see it.
	state() (tap.State, error)
	set(tap.Change) error
	neighbours() ([]tap.Neighbour, error)
	// attach makes l receive frames, and follow changes of the netdev.
	attach(l *link)
	// changed is called after each change; own says that the VTEP made it.
	changed(was, is *tap.State, own bool)
	// ownDown reports whether the VTEP itself made the down that Watch reports.
	ownDown() bool
	// unpersist makes the netdev go when its port is closed.
	unpersist() error
	close()
}

var _ attachment = (*netdev)(nil)

// openNetdev creates a netdev, with the settings that all netdevs of the VTEP have. The
// caller holds v.mu.
func (v *VTEP) openNetdev(c tap.Config, log *slog.Logger) (*netdev, tap.State, error) {
	c.Queues = max(c.Queues, 1)
	c.TxQueueLen, c.GSOMaxSize, c.GSOMaxSegs = TxQueueLen, superframeSize(c.MTU), encap.MaxSegments
	c.Offload, c.NoWriteOffload = v.off.tap()
	c.Spin = v.spin
	port, dev, err := v.host.OpenPort(c)
	if err != nil {
		return nil, tap.State{}, err
	}
	s, err := dev.State()
	if err != nil {
		return nil, s, errors.Join(err, port.Close())
	}
	if v.home == 0 {
		v.home = s.Namespace
	}
	tellUnset(log, &c, &s)
	n := &netdev{vtep: v, log: log, port: port, dev: dev, stopWatch: func() {}}
	v.netdevs[n] = struct{}{}
	return n, s, nil
}

// tellUnset logs what c asks for and a netdev made before keeps otherwise, which only who lacks
// CAP_NET_ADMIN does without.
func tellUnset(log *slog.Logger, c *tap.Config, s *tap.State) {
	var kept []string
	keeps := func(word string, want, is int) {
		if want != 0 && is != 0 && want != is {
			kept = append(kept, fmt.Sprintf("%s %d (want %d)", word, is, want))
		}
	}
	if !c.MAC.IsZero() && s.MAC != c.MAC {
		kept = append(kept, fmt.Sprintf("address %s (want %s)", s.MAC, c.MAC))
	}
	keeps("mtu", c.MTU, s.MTU)
	keeps("txqueuelen", c.TxQueueLen, s.TxQueueLen)
	keeps("gso_max_size", c.GSOMaxSize, s.GSOMaxSize)
	keeps("gso_max_segs", c.GSOMaxSegs, s.GSOMaxSegs)
	if len(kept) > 0 {
		log.Warn("the netdev keeps what the daemon may not set: set it with ip link set, or grant the daemon CAP_NET_ADMIN", "keeps", strings.Join(kept, ", "))
	}
}

// joins reports whether the port takes superframes whole.
func (n *netdev) joins() bool { return n.dev.Offloads().Superframes() }

func (n *netdev) state() (tap.State, error) { return n.dev.State() }

func (n *netdev) set(c tap.Change) error { return n.dev.Set(c) }

func (n *netdev) neighbours() ([]tap.Neighbour, error) { return n.dev.Neighbours() }

// changed counts the downs that the VTEP made: Watch reports them later.
func (n *netdev) changed(was, is *tap.State, own bool) {
	if own && was.Up && !is.Up {
		n.ownDowns++
	}
}

func (n *netdev) ownDown() bool {
	own := n.ownDowns > 0
	if own {
		n.ownDowns--
	}
	return own
}

// unpersist makes the netdev go when its port is closed. A netdev that was there before may be
// persistent whatever the configuration says.
func (n *netdev) unpersist() error {
	if err := n.dev.Set(tap.Change{Persist: new(false)}); err != nil && !errors.Is(err, tap.ErrGone) {
		return err
	}
	return nil
}

// forget stops the watch and takes the netdev off the VTEP's list. closePort has to follow.
func (n *netdev) forget() {
	n.stopWatch()
	delete(n.vtep.netdevs, n)
}

func (n *netdev) close() {
	n.forget()
	n.closePort()
}

func (n *netdev) closePort() {
	if err := n.port.Close(); err != nil {
		n.log.Warn("closing the port failed", "err", err)
	}
}

// watch follows the netdev until stopWatch is called. It calls changed with each state, and
// whether the netdev went down before, and gone, with VTEP.mu held, where it was deleted.
func (n *netdev) watch(changed func(s tap.State, wentDown bool), gone func()) {
	ctx, cancel := context.WithCancel(context.Background())
	n.vtep.spawnWorker(n.log, "the watch of a netdev", func() {
		for {
			up := false
			err := n.dev.Watch(ctx, func(s tap.State) {
				changed(s, up && !s.Up)
				up = s.Up
			})
			switch {
			case err == nil, errors.Is(err, os.ErrClosed), ctx.Err() != nil: // stopped, whatever became of the netdev
				return
			case errors.Is(err, tap.ErrGone):
				n.log.Info("the netdev was deleted, forgetting it")
				n.vtep.locked(gone)
				return
			}
			n.log.Error("following the netdev failed, trying again", "err", err)
			if !n.vtep.pause(time.Second) {
				return
			}
		}
	})
	n.stopWatch = cancel
}

// attach starts the workers of l's own netdev and follows it.
func (n *netdev) attach(l *link) {
	v := n.vtep
	for q := range n.port.Queues() {
		v.spawnWorker(l.log, "a port's worker", func() { v.readPort(n, q, forward.NewPortWorker(l.Link, q).Forward) })
	}
	var was tap.State
	n.watch(func(s tap.State, wentDown bool) {
		neighbours := s.Neighbours != was.Neighbours
		was.Neighbours = s.Neighbours
		if s != was { // neighbours of a busy host come and go all the time
			was = s
			if wentDown {
				v.onDown(l)
			}
			v.onState(l, s)
		}
		if neighbours && l.State.Load().Proxy {
			v.onNeighbours(l)
		}
	}, func() {
		v.tellLost(l.cfg.Name)
		v.drop(l)
	})
}
