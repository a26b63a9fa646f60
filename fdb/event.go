package fdb

import "github.com/uvtep/uvtep/encap"

// EventKind says how an entry changed.
type EventKind uint8

const (
	Added   EventKind = iota // a new entry, or one more remote of a group
	Updated                  // state, flags or remote changed by an operator or controller
	Moved                    // learned behind another remote
	Removed                  // an entry, or one remote of a group, is gone
)

// Reason says why an entry changed.
type Reason uint8

const (
	ReasonLearned Reason = iota // from received traffic
	ReasonUser                  // Add, Append, Replace, Delete or DeleteRemote
	ReasonAged                  // Age
	ReasonFlushed               // Flush
	ReasonEvicted               // the table was full: the place was given to a new address
	ReasonMoved                 // GiveWay: the address is elsewhere now
)

// String names r as in logs and metrics.
func (r Reason) String() string {
	switch r {
	case ReasonLearned:
		return "learned"
	case ReasonUser:
		return "user"
	case ReasonAged:
		return "aged"
	case ReasonFlushed:
		return "flushed"
	case ReasonEvicted:
		return "evicted"
	case ReasonMoved:
		return "moved"
	}
	return "unknown"
}

// Event is a change of one MAC address and one of its remotes, as the kernel
// notifies them (vxlan_fdb_notify in vxlan_core.c): the removal of a group with
// n remotes is n events. A refresh is no event. An Event holds no pointer and
// may be kept.
type Event struct {
	Kind   EventKind
	Reason Reason
	MAC    encap.MAC
	// Remote is the one the event is about: the new one for Updated and Moved,
	// where a group whose state or flags alone changed has its first.
	Remote RemoteID
	// Old is the remote before an Updated or Moved; else it equals Remote.
	Old RemoteID
	// State, Flags, Used and Updated are those after the change, or before a
	// removal.
	State   State
	Flags   Flags
	Used    Tick
	Updated Tick
	// OldFlags are those before an Updated; else they equal Flags.
	OldFlags Flags
}

// notify reports a change of a unicast entry. The shard's lock is held.
func (t *Table) notify(kind EventKind, why Reason, w key, v value, old RemoteID) {
	t.notifyChange(kind, why, w, v, old, w.flags())
}

// notifyChange is notify for an entry whose flags may have changed.
func (t *Table) notifyChange(kind EventKind, why Reason, w key, v value, old RemoteID, oldFlags Flags) {
	if t.onChange == nil {
		return
	}
	near := Tick(t.latest.Load())
	t.onChange(Event{
		Kind: kind, Reason: why, MAC: w.mac(), Remote: v.remote(), Old: old,
		State: w.state(), Flags: w.flags(), OldFlags: oldFlags,
		Used: expand(v.used(), near), Updated: expand(v.updated(), near),
	})
}

// notifyGroup reports a change of one remote of a group, whose own flags are of. The
// shard's lock is held.
func (t *Table) notifyGroup(kind EventKind, why Reason, g *group, r RemoteID, of Flags) {
	if t.onChange == nil {
		return
	}
	t.onChange(Event{
		Kind: kind, Reason: why, MAC: g.mac, Remote: r, Old: r,
		State: g.state, Flags: g.flags | of, OldFlags: g.flags | of,
		Used: Tick(g.used.Load()), Updated: g.updated,
	})
}
