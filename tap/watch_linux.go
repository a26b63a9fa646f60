package tap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// What ends a wait, beside what Watch returns to its caller.
var (
	// errLost: the netdev is not where it was, or events were missed; look again.
	errLost = errors.New("lost")
	// errEnded: the context ended.
	errEnded = errors.New("ended")
)

const (
	// awayInterval is how often Watch looks at a netdev in another namespace:
	// events from there take CAP_NET_BROADCAST, and the last one is lost when
	// that namespace dies.
	awayInterval = 5 * time.Second
	// dyingInterval is how often it looks at one that cannot be looked up, as in
	// a namespace that is being dismantled, and maxDying how many times.
	dyingInterval = 50 * time.Millisecond
	maxDying      = 100
)

// Watch calls fn with the netdev's state, at once and then on each change,
// until ctx ends, and returns nil then. It follows the netdev through renaming and
// moves between namespaces. A deleted device returns ErrGone, a closed one
// os.ErrClosed. All Watch calls of a namespace share one netlink socket.
func (d *Device) Watch(ctx context.Context, fn func(State)) error {
	if !hubs.retain(d.hub) {
		return os.ErrClosed
	}
	defer hubs.release(d.hub)
	if err := d.hub.watch(); err != nil {
		return fmt.Errorf("tap: watch: %w", err)
	}
	defer d.hub.unwatch()
	wt := watch{d: d, w: newWatcher(), fn: fn}
	defer d.hub.move(wt.w, linkKey{})
	if err := wt.run(ctx); !errors.Is(err, errEnded) {
		return err
	}
	return nil
}

// watch is one Watch call under way.
type watch struct {
	d        *Device
	w        *watcher
	fn       func(State)
	last     State
	reported bool
}

// run looks for the netdev and follows it, as often as it is lost.
func (wt *watch) run(ctx context.Context) error {
	failures := 0
	for {
		s, nsid, err := wt.subscribe()
		switch {
		case err == nil:
			failures = 0
			s.Neighbours = wt.last.Neighbours
			wt.d.lookAtFeatures()
			if wt.reported && s.Namespace != wt.last.Namespace {
				s.Neighbours++ // they stayed behind
			}
			wt.report(s)
			err = wt.follow(ctx, nsid)
		case errors.Is(err, ErrGone), errors.Is(err, os.ErrClosed), !wt.reported, failures == maxDying:
			return err
		default:
			failures++
			err = wt.wait(ctx, nil, time.After(dyingInterval))
		}
		if !errors.Is(err, errLost) {
			return err
		}
	}
}

// subscribe points the mailbox at where the netdev is and returns its state as of after
// that, so that no change is missed in between.
func (wt *watch) subscribe() (State, int, error) {
	for {
		s, nsid, err := wt.d.locate()
		if err != nil {
			return State{}, home, err
		}
		wt.d.hub.move(wt.w, linkKey{nsid, s.Index})
		wt.w.take()
		again, nsidAgain, err := wt.d.locate()
		if err != nil {
			return State{}, home, err
		}
		if nsid == nsidAgain && s.Index == again.Index {
			return again, nsid, nil
		}
	}
}

// report calls fn if s is news.
func (wt *watch) report(s State) {
	if wt.reported && s == wt.last {
		return
	}
	wt.reported, wt.last = true, s
	wt.fn(s)
}

// follow reports what happens to the netdev while it stays in the namespace
// nsid. It returns errLost when it must be looked for, else Watch's result.
func (wt *watch) follow(ctx context.Context, nsid int) error {
	var tick <-chan time.Time
	if nsid != home {
		t := time.NewTicker(wt.d.lookEvery)
		defer t.Stop()
		tick = t.C
	}
	for {
		if err := wt.wait(ctx, wt.w.signal, tick); err != nil {
			return err
		}
		neighbours := wt.last.Neighbours
		for _, ev := range wt.w.take() {
			switch {
			case ev.err != nil:
				return ev.err
			case ev.lost:
				return errLost
			case ev.neighbours:
				neighbours = wt.last.Neighbours + 1 // once for all that waited
				continue
			case ev.features:
				wt.d.lookAtFeatures()
			}
			ev.state.Namespace, ev.state.Neighbours = wt.last.Namespace, wt.last.Neighbours
			ev.state.Away, ev.state.NSID = wt.last.Away, wt.last.NSID
			wt.report(ev.state)
		}
		s := wt.last
		s.Neighbours = neighbours
		wt.report(s)
	}
}

// wait returns nil on a signal, errLost on a tick, else Watch's result.
func (wt *watch) wait(ctx context.Context, signal <-chan struct{}, tick <-chan time.Time) error {
	select {
	case <-wt.d.done:
		return os.ErrClosed
	case <-wt.d.gone:
		return ErrGone
	default:
	}
	select {
	case <-signal:
		return nil
	case <-tick:
		return errLost
	case <-ctx.Done():
		return errEnded
	case <-wt.d.done:
		return os.ErrClosed
	case <-wt.d.gone:
		return ErrGone
	}
}
