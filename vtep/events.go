package vtep

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep/forward"
)

// EventSet says which events a subscriber wants.
type EventSet uint8

// The kinds of objects that events are about.
const (
	LinkEvents  EventSet = 1 << iota
	FDBEvents            // with misses
	DropEvents           // once a second, the drops within it
	LocalEvents          // of addresses on this side, with LearnLocal
)

// EventKind says what happened.
type EventKind uint8

// The kinds of events, those of links, of entries and of frames. As in
// rtnetlink(7) a link or entry is told as it is now, be it new or changed.
const (
	LinkChanged EventKind = iota // Event.Link
	LinkRemoved
	EntryChanged // Event.Entry and Reason
	EntryMoved   // and Old
	EntryRemoved
	L2Miss        // Event.Entry: the link and the MAC address that has no entry
	L3Miss        // Event.Entry: the link and, as Remote.Addr, the address that has no neighbour
	EntryHeld     // Event.Entry: moveguard holds the MAC address where it is
	EntryReleased // Event.Entry: moveguard has released the MAC address
	TroubleBegan  // Event.Entry: the link and the remote; Trouble, and Count of ICMP errors
	TroubleEnded  // the same: the trouble has not been seen for a while
	PolicySeen    // Event.Entry.Link and Policy: packets carry another group policy id
	// LocalSeen: Event.Entry has the link, a MAC address on this side that is new, and as
	// Remote.Addr its IP address where that is what is new; fdb.FlagRouter: of a router.
	LocalSeen
	// LocalMoved is LocalSeen of a MAC address that was behind the remote Old, or of an IP
	// address that OldMAC had.
	LocalMoved
	LocalGone // and Reason
	// LocalContested is LocalSeen of a MAC address that a permanent entry has behind Old.
	LocalContested
	Dropped // Event.Entry.Link, or "" for packets of no link, with Remote.VNI where no link has theirs; Drop and Count
)

// Event is one thing that happened. It has no time, since the data path reads no clock: the
// receiver adds one.
type Event struct {
	Kind   EventKind
	Reason fdb.Reason // why an entry changed
	Drop   forward.DropReason
	Policy uint16
	OldMAC encap.MAC // of an IP address that moved on this side
	Pinned bool      // a permanent entry has the MAC address on this side

	Trouble TroubleKind
	Count   uint64     // drops of that reason since the last event of it
	Old     netip.Addr // where a MAC address that moved was
	Entry   FDBEntry
	Link    *LinkInfo
}

const (
	// maxSubscriptions bounds the memory that subscribers who do not read can take.
	maxSubscriptions = 16
	// A queue grows by blocks, so that a burst under an FDB shard's lock waits for
	// no copy of what is queued already.
	blockLen = 1 << 10
	// maxBlocks hold more than the entries that one flush of a link with the
	// default `maxaddress` removes.
	maxBlocks = 32
	// Misses take no more than half of the first block: there may be one for each
	// frame, and they must neither allocate nor crowd out what happens to entries.
	maxMisses = blockLen / 2
)

// events queues events for subscribers. Without subscribers an event costs one atomic load. It
// waits for no subscriber: see Subscription.
type events struct {
	wanted atomic.Uint32 // EventSet: the events that any subscriber wants
	list   atomic.Pointer[[]*Subscription]

	mu sync.Mutex // after VTEP.mu; held to change list, never to tell an event
}

// wants reports whether a subscriber wants an event of set.
func (e *events) wants(set EventSet) bool { return EventSet(e.wanted.Load())&set != 0 }

func (e *events) subscriptions() []*Subscription {
	if list := e.list.Load(); list != nil {
		return *list
	}
	return nil
}

// tell queues ev for each subscriber that wants set.
func (e *events) tell(set EventSet, ev *Event) {
	for _, s := range e.subscriptions() {
		if s.set&set != 0 {
			s.put(ev)
		}
	}
}

// offer is tell for the data path: it neither waits nor allocates, and what
// does not fit is lost.
func (e *events) offer(set EventSet, ev *Event) {
	for _, s := range e.subscriptions() {
		if s.set&set != 0 {
			s.offer(ev)
		}
	}
}

// change replaces the list of subscribers.
func (e *events) change(list []*Subscription) {
	var wanted EventSet
	for _, s := range list {
		wanted |= s.set
	}
	e.list.Store(&list)
	e.wanted.Store(uint32(wanted))
}

func (e *events) subscribe(set EventSet) (*Subscription, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := e.subscriptions()
	if len(list) == maxSubscriptions {
		return nil, fmt.Errorf("%w: %d monitors listen already: end one of them", ErrFull, len(list))
	}
	s := &Subscription{events: e, set: set, ready: make(chan struct{}, 1), blocks: [][]Event{newBlock()}}
	e.change(append(slices.Clone(list), s))
	return s, nil
}

func newBlock() []Event { return make([]Event, 0, blockLen) }

// Subscription is the queue of one subscriber. A subscriber that does not Read loses events
// and learns how many. Nothing waits for it.
type Subscription struct {
	events *events
	set    EventSet
	ready  chan struct{} // has an element while there is something to read
	missed atomic.Uint64 // misses that were lost

	mu     sync.Mutex // last in the lock order, held for a copy
	blocks [][]Event  // the queue: at least one block, and all but the last are full
	lost   uint64     // events lost since the queue was full; it takes no others until Read has returned the number
}

// Close ends the subscription.
func (s *Subscription) Close() {
	e := s.events
	e.mu.Lock()
	defer e.mu.Unlock()
	e.change(slices.DeleteFunc(slices.Clone(e.subscriptions()), func(o *Subscription) bool { return o == s }))
}

// Read waits for events and returns them in order, with the number of events that were lost
// after them. Lost misses are counted when the queue is empty. When ctx ends, Read returns its
// error. reuse is nil, or what a Read before returned, which is overwritten.
func (s *Subscription) Read(ctx context.Context, reuse []Event) (some []Event, lost uint64, err error) {
	select {
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	case <-s.ready:
	}
	if cap(reuse) < blockLen {
		reuse = newBlock()
	}
	clear(reuse)
	s.mu.Lock()
	defer s.mu.Unlock()
	some = s.blocks[0]
	if len(s.blocks) > 1 {
		s.blocks = slices.Delete(s.blocks, 0, 1)
		s.wake()
		return some, 0, nil
	}
	s.blocks[0] = reuse[:0]
	lost, s.lost = s.lost+s.missed.Swap(0), 0
	return some, lost, nil
}

// put queues a copy of ev.
func (s *Subscription) put(ev *Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.wake()
	last := len(s.blocks) - 1
	full := len(s.blocks[last]) == blockLen
	if s.lost > 0 || full && len(s.blocks) == maxBlocks {
		s.lost++
		return
	}
	if full {
		s.blocks = append(s.blocks, newBlock())
		last++
	}
	s.blocks[last] = append(s.blocks[last], *ev)
}

// offer queues a copy of ev, a miss, unless that would wait or allocate.
func (s *Subscription) offer(ev *Event) {
	defer s.wake()
	if !s.mu.TryLock() {
		s.missed.Add(1)
		return
	}
	defer s.mu.Unlock()
	if len(s.blocks[0]) >= maxMisses || s.lost > 0 {
		s.missed.Add(1)
		return
	}
	s.blocks[0] = append(s.blocks[0], *ev)
}

func (s *Subscription) wake() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}
