package fdb

import (
	"math/rand/v2"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
)

// RemoteID is the caller's handle of a remote: opaque here, at most
// [MaxRemoteID].
type RemoteID uint32

// MaxRemoteID is the largest handle that an entry can hold: 24 bits less one
// value, which marks an unused slot.
const MaxRemoteID RemoteID = 1<<24 - 2

// Tick counts seconds since the table's owner started. The caller supplies it;
// workers whose coarse clocks differ by a little are fine.
type Tick uint32

// MaxAge is the longest age of an entry that the table tells apart, about 11
// days; what is older counts as just that old. An ageing time of MaxAge or more
// is as no ageing.
const MaxAge Tick = 1<<20 - 1<<16

// State is the state of an entry, one of the kernel's neighbour states
// (include/uapi/linux/neighbour.h).
type State uint8

const (
	// Dynamic (NUD_REACHABLE) ages and may move to another remote.
	Dynamic State = iota
	// Static (NUD_NOARP) neither ages nor moves.
	Static
	// Permanent (NUD_PERMANENT) neither ages nor moves.
	Permanent
)

// String is the word that `fdb add` takes for s.
func (s State) String() string {
	switch s {
	case Dynamic:
		return "dynamic"
	case Static:
		return "static"
	case Permanent:
		return "permanent"
	}
	return "unknown"
}

// Flags are the marks of an entry, with its [Mark].
type Flags uint16

const (
	// FlagExternLearn (NTF_EXT_LEARNED): configured by a control plane. Never ages,
	// whatever its state; a dynamic one still moves, as in the kernel.
	FlagExternLearn Flags = 1 << iota
	// FlagRouter (NTF_ROUTER) is kept and shown, nothing more.
	FlagRouter
	// FlagUser (NTF_VXLAN_ADDED_BY_USER): set by an operator or a controller,
	// not learned. Kept when the entry moves.
	FlagUser
	// FlagNoFlood, of one remote of the all-zeros entry: [Table.Group] leaves it out.
	FlagNoFlood

	markShift = 4
	// ofRemote are the flags that each remote of a group has for itself.
	ofRemote = FlagNoFlood | markFlags
	// markFlags are the bits of the Mark.
	markFlags  = Flags(MaxMark) << markShift
	knownFlags = FlagExternLearn | FlagRouter | FlagUser | FlagNoFlood | markFlags
)

// Mark is the caller's handle of who put an entry in: opaque here, at most [MaxMark]; 0 is
// none. A change of nothing but the mark is told to nobody.
type Mark uint16

// MaxMark is the largest mark.
const MaxMark Mark = 1<<10 - 1

// Mark is the mark among the flags.
func (f Flags) Mark() Mark { return Mark(f & markFlags >> markShift) }

// WithMark is f with another mark.
func (f Flags) WithMark(m Mark) Flags { return f&^markFlags | Flags(m)<<markShift&markFlags }

// Entry is one MAC address of the table as a caller sees it.
type Entry struct {
	MAC encap.MAC
	// Remotes has one element for a unicast MAC, one or more in the order of
	// their addition for a group. It must not be modified and is valid until
	// the function that was given the Entry returns; copy it to keep it.
	Remotes []RemoteID
	State   State
	Flags   Flags // of a group without what its remotes have for themselves: see FlagsOf
	Used    Tick  // last transmission to the entry; at creation the tick of that
	Updated Tick  // last refresh by received traffic, or change

	ofRemotes []Flags // of a group, one for each of Remotes
}

// FlagsOf are the flags of the entry and of its i'th remote.
func (e *Entry) FlagsOf(i int) Flags {
	if e.ofRemotes == nil {
		return e.Flags
	}
	return e.Flags | e.ofRemotes[i]
}

// IsGroup reports whether mac has a group entry: all zeros, or multicast with
// broadcast among it.
func IsGroup(mac encap.MAC) bool { return mac.IsZero() || mac.IsMulticast() }

// Config sets up a [Table]. The zero value means no limit, the default number
// of shards and no callbacks.
type Config struct {
	// MaxAddresses limits the unicast entries, learned and configured alike; 0 or
	// less is no limit. Group entries do not count, so that a full table can
	// always get one more flood remote (the kernel counts them).
	MaxAddresses int
	// Shards is the number of independently locked parts, rounded up to a
	// power of two and at most 4096; 0 means 64.
	Shards int
	// OnChange is called with each change, in order for each MAC. It is called with
	// a shard's lock held: it must be quick and must not call the table.
	OnChange func(Event)
	// Budget limits the entries of this table and others together; nil: nothing does.
	Budget *Budget
	// SameAddr reports whether two remotes have the same outer address, be it
	// with different ports or VNIs. [Table.Learn] then refreshes instead of
	// moving, so that a learned entry keeps its configured port. It is called
	// concurrently, on the data path. Nil: only equal handles are the same.
	SameAddr func(a, b RemoteID) bool
	// KeepSeen: an entry that was refreshed after the tick that it was learned in never
	// gives its place to a new address. So one who makes up addresses, each for one frame,
	// evicts those alone. No Lookup may mark the entries.
	KeepSeen bool
}

// Table is the forwarding database of one link. Make it with [New].
type Table struct {
	// Read by every frame, written never.
	shards   []shard
	seed     [2]uint64
	shift    uint // a hash's top bits, above shift, choose the shard
	sameAddr func(a, b RemoteID) bool
	onChange func(Event)
	keepSeen bool

	_ [64]byte // keeps the counters off the line that every frame reads

	unicast atomic.Int64  // unicast entries, kept at most max by reserve
	groups  atomic.Int64  // group entries
	max     atomic.Int64  // 0 or less: no limit
	latest  atomic.Uint32 // Tick of the latest change or Age, to expand stored ticks
	hand    atomic.Uint64 // where the next search for an entry to evict begins: shard<<32 | slot
	closed  atomic.Bool   // no entry is taken any more
	budget  *Budget
	shares  Shares // of the entries that may be evicted
}

const (
	defaultShards = 64
	maxShards     = 4096
)

// New returns an empty table.
func New(c Config) *Table {
	want := c.Shards
	if want <= 0 {
		want = defaultShards
	}
	n, bits := 1, uint(0)
	for n < min(want, maxShards) {
		n, bits = n*2, bits+1
	}
	t := &Table{
		shards:   make([]shard, n),
		seed:     [2]uint64{rand.Uint64(), rand.Uint64()},
		shift:    64 - bits,
		sameAddr: c.SameAddr,
		onChange: c.OnChange,
		keepSeen: c.KeepSeen,
		budget:   c.Budget,
	}
	t.SetMaxAddresses(c.MaxAddresses)
	t.budget.join(t)
	return t
}

// Close empties the table for good, without a word to Config.OnChange: it takes no
// entry any more, and its Budget is the others'.
func (t *Table) Close() {
	t.closed.Store(true)
	for i := range t.shards {
		s := &t.shards[i]
		s.locked(func() {
			t.release(int(s.live))
			s.slots.Store(nil)
			s.live, s.taken = 0, 0
		})
	}
	t.shares.reset()
	t.budget.leave(t)
}

// SetMaxAddresses changes the limit of unicast entries; 0 or less is none. A
// limit below the present number removes nothing at once: each new entry then
// costs several old ones until there are no more than that.
func (t *Table) SetMaxAddresses(n int) { t.max.Store(int64(n)) }

// Len is the number of entries, a group with several remotes counting once.
func (t *Table) Len() int { return int(t.unicast.Load() + t.groups.Load()) }

// Addresses is the number of unicast entries, which Config.MaxAddresses limits.
func (t *Table) Addresses() int { return int(t.unicast.Load()) }

// Lookup returns the remote behind the unicast address mac for a frame that is
// to be sent at now. It marks the entry used, at most once a tick, which does
// not keep it alive (conformance L07). A group address is never found: see
// [Table.Group].
func (t *Table) Lookup(mac encap.MAC, now Tick) (RemoteID, bool) {
	k := keyOf(mac)
	h := t.hash(k)
	a := t.shards[h>>t.shift].slots.Load()
	sl := a.find(k, h)
	if sl == nil {
		return 0, false
	}
	v := sl.load(k)
	if !v.live() {
		return 0, false
	}
	if advances(v.used(), now) {
		// One attempt: if another worker was first the mark is there already,
		// or the entry changed, and a mark that is lost, also by a concurrent
		// growth of the shard, only shows in statistics.
		sl.value.CompareAndSwap(v, v.withUsed(now))
	}
	return v.remote(), true
}

// Peek is Lookup that also returns the flags and marks nothing.
func (t *Table) Peek(mac encap.MAC) (RemoteID, Flags, bool) {
	r, _, fl, ok := t.PeekState(mac)
	return r, fl, ok
}

// PeekState is Peek with the state.
func (t *Table) PeekState(mac encap.MAC) (RemoteID, State, Flags, bool) {
	k := keyOf(mac)
	h := t.hash(k)
	sl := t.shards[h>>t.shift].slots.Load().find(k, h)
	if sl == nil {
		return 0, 0, 0, false
	}
	v, w := sl.value.Load(), sl.key.Load()
	if !v.live() || w.bits() != k {
		return 0, 0, 0, false
	}
	return v.remote(), w.state(), w.flags(), true
}

// Get returns the entry of mac, unicast or group, without marking it used.
func (t *Table) Get(mac encap.MAC) (Entry, bool) {
	k := keyOf(mac)
	h := t.hash(k)
	s := &t.shards[h>>t.shift]
	s.mu.Lock()
	defer s.mu.Unlock()
	if IsGroup(mac) {
		g := s.group(mac)
		if g == nil {
			return Entry{}, false
		}
		return g.entry(), true
	}
	sl := s.liveSlot(k, h)
	if sl == nil {
		return Entry{}, false
	}
	return t.entry(sl.key.Load(), sl.value.Load(), make([]RemoteID, 1)), true
}

// advance notes that the owner's clock has reached now.
func (t *Table) advance(now Tick) {
	for {
		l := t.latest.Load()
		if int32(uint32(now)-l) <= 0 || t.latest.CompareAndSwap(l, uint32(now)) {
			return
		}
	}
}
