package tap

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// hub is what all devices that were opened in one network namespace share:
// a socket for requests and one for events, however many devices there are.
//
// The events are those of its own namespace and, by NETLINK_LISTEN_ALL_NSID,
// of every namespace that has an id in it. So a device that moves away is
// followed without a socket over there, which would keep that namespace alive
// after its last process (a stopped container's) is gone.
type hub struct {
	id     netnsID
	refs   int // guarded by hubList.mu
	rtnl   *rtnl
	events *eventSocket

	features features

	// life is held while the event loop starts or ends, before mu.
	life     sync.Mutex
	watching int           // Watch calls under way
	ended    chan struct{} // closed by the loop

	mu       sync.Mutex
	watchers map[linkKey][]*watcher
}

// linkKey names a netdev by its namespace's id and its index there.
type linkKey struct{ nsid, index int }

// hubList finds the hub of a namespace; devices hold references.
type hubList struct {
	mu   sync.Mutex
	byNS map[netnsID]*hub
}

// hubs lets devices of one namespace share sockets although each is opened by
// itself; it is empty when none is open.
//
//nolint:gochecknoglobals // one netlink subscription a namespace, whoever opens devices in it
var hubs hubList

// acquire is the hub of the calling thread's namespace, with one reference
// more. The goroutine must be locked to its thread.
func (l *hubList) acquire() (*hub, error) {
	id, err := threadNetns()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.byNS[id]; h != nil {
		h.refs++
		return h, nil
	}
	r, err := dialRTNL(netns.None())
	if err != nil {
		return nil, err
	}
	ev, err := openEvents()
	if err != nil {
		r.close()
		return nil, err
	}
	h := &hub{id: id, refs: 1, rtnl: r, events: ev, watchers: map[linkKey][]*watcher{}}
	if l.byNS == nil {
		l.byNS = map[netnsID]*hub{}
	}
	l.byNS[id] = h
	return h, nil
}

// retain adds a reference; false where the last one was released already.
func (l *hubList) retain(h *hub) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.refs == 0 {
		return false
	}
	h.refs++
	return true
}

// release drops a reference; the last one to go closes the sockets.
func (l *hubList) release(h *hub) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h.refs--
	if h.refs > 0 {
		return
	}
	delete(l.byNS, h.id)
	h.rtnl.close()
	h.events.close()
}

// watch starts the event loop for the first Watch call.
func (h *hub) watch() error {
	h.life.Lock()
	defer h.life.Unlock()
	if h.watching > 0 {
		select {
		case <-h.ended: // by an error, which all watchers were notified of
			h.events.leave()
		default:
			h.watching++
			return nil
		}
	}
	if err := h.events.join(); err != nil {
		return err
	}
	h.ended = make(chan struct{})
	go h.run(h.ended)
	h.watching++
	return nil
}

// unwatch ends the event loop after the last Watch call, and waits for it.
func (h *hub) unwatch() {
	h.life.Lock()
	defer h.life.Unlock()
	h.watching--
	if h.watching == 0 {
		h.events.interrupt()
		<-h.ended
		h.events.leave()
	}
}

// run hands events to the watchers until it is interrupted.
func (h *hub) run(ended chan<- struct{}) {
	defer close(ended)
	for {
		nsid, msgs, err := h.events.read()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return
		case errors.Is(err, unix.ENOBUFS):
			h.catchUp()
			continue
		case err != nil:
			h.notifyAll(event{err: fmt.Errorf("tap: watch: %w", err)})
			return
		}
		for i := range msgs {
			h.survive(func() { h.dispatch(nsid, &msgs[i]) })
		}
	}
}

// survive calls fn. Where fn panics, each Watch call ends with an error that describes
// the panic, and its caller may watch again; the loop, which serves the whole process,
// goes on.
func (h *hub) survive(fn func()) {
	defer func() {
		if v := recover(); v != nil {
			h.notifyAll(event{err: fmt.Errorf("tap: watch: a fault of uvtep, please report it: %v\n%s", v, debug.Stack())})
		}
	}()
	fn()
}

// dispatch turns one message into an event of the watchers that it concerns.
func (h *hub) dispatch(nsid int, m *syscall.NetlinkMessage) {
	switch m.Header.Type {
	case unix.RTM_DELNSID:
		// The namespace dies, and with it what is in it.
		if gone, ok := nsidIn(m.Data); ok {
			h.notifyIf(func(k linkKey) bool { return k.nsid == gone }, event{lost: true})
		}
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		if len(m.Data) < unix.SizeofIfInfomsg {
			return
		}
		// A bridge reports its ports in the same group, as AF_BRIDGE: a
		// RTM_DELLINK of that family says that the port left the bridge.
		if m.Data[0] != unix.AF_UNSPEC {
			return
		}
		index := nl.DeserializeIfInfomsg(m.Data).Index
		h.linkChanged(linkKey{nsid, int(index)}, m)
	case unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH:
		// A bridge reports its FDB in the same group, as AF_BRIDGE.
		if len(m.Data) >= unix.SizeofNdMsg && m.Data[0] != unix.AF_BRIDGE {
			index := nl.NativeEndian().Uint32(m.Data[4:])
			h.notify(linkKey{nsid, int(index)}, event{neighbours: true})
		}
	}
}

// catchUp notifies the watchers, after events were lost, of the present state of their
// netdevs: one dump serves all netdevs of this namespace, where each of thousands of
// watchers would ask twice for its own. The watchers of netdevs in other namespaces ask
// for themselves.
func (h *hub) catchUp() {
	is := make(map[int]State)
	err := h.rtnl.dump(func(m []byte) {
		s := stateOf(m, 0)
		is[s.Index] = s
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	for k, ws := range h.watchers {
		s, here := is[k.index]
		for _, w := range ws {
			if err == nil && here && k.nsid == home {
				w.push(event{state: s, features: true})
				w.push(event{neighbours: true}) // theirs may have been among the lost
			} else {
				w.push(event{lost: true})
			}
		}
	}
}

// notify queues ev for the watchers of link k.
func (h *hub) notify(k linkKey, ev event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, w := range h.watchers[k] {
		w.push(ev)
	}
}

// linkChanged decodes m, about link k, if anybody watches that.
func (h *hub) linkChanged(k linkKey, m *syscall.NetlinkMessage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.watchers[k]) == 0 {
		return
	}
	ev := event{lost: true}
	if m.Header.Type == unix.RTM_NEWLINK {
		ev = event{state: stateOf(m.Data, 0), features: newFeatures(m.Data)}
	}
	for _, w := range h.watchers[k] {
		w.push(ev)
	}
}

// notifyIf queues ev for the watchers of all links of which want is true.
func (h *hub) notifyIf(want func(linkKey) bool, ev event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for k, ws := range h.watchers {
		if !want(k) {
			continue
		}
		for _, w := range ws {
			w.push(ev)
		}
	}
}

func (h *hub) notifyAll(ev event) { h.notifyIf(func(linkKey) bool { return true }, ev) }

// move makes k the link that w is notified of, instead of the link before; the zero
// key is none.
func (h *hub) move(w *watcher, k linkKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.key == k {
		return
	}
	if old := h.watchers[w.key]; len(old) > 0 {
		kept := make([]*watcher, 0, len(old))
		for _, o := range old {
			if o != w {
				kept = append(kept, o)
			}
		}
		if len(kept) == 0 {
			delete(h.watchers, w.key)
		} else {
			h.watchers[w.key] = kept
		}
	}
	w.key = k
	if k != (linkKey{}) {
		h.watchers[k] = append(h.watchers[k], w)
	}
}

// event is one notification of a watcher: a state (its namespace unset), which may have other
// features, or
// that the link is not where it was, or that its neighbours changed, or that no
// more will come.
type event struct {
	state      State
	features   bool
	neighbours bool
	lost       bool
	err        error
}

// maxEvents bounds what is kept for a Watch whose callback is slow.
const maxEvents = 64

// watcher is the mailbox of one Watch call.
type watcher struct {
	key    linkKey // guarded by hub.mu
	signal chan struct{}

	mu     sync.Mutex // after hub.mu
	events []event
}

func newWatcher() *watcher { return &watcher{signal: make(chan struct{}, 1)} }

func (w *watcher) push(ev event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.events) == maxEvents {
		// The last of too many makes it look for itself.
		w.events[maxEvents-1] = event{lost: true, err: ev.err}
	} else {
		w.events = append(w.events, ev)
	}
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

// take empties the mailbox.
func (w *watcher) take() []event {
	w.mu.Lock()
	defer w.mu.Unlock()
	evs := w.events
	w.events = nil
	return evs
}
