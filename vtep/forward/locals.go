package forward

import (
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// locals are the MAC addresses on this side of a link and their IP addresses, as the frames
// from its port show them (`learnlocal`: the learning of RFC 7432 section 9.1 and RFC 9161
// section 3.2, for a controller to announce). Subscribers are told at once.
//
// A MAC address is on this side or behind a remote:
//   - a frame from the port brings it here, and the FDB entry of a remote gives way, where it
//     was learned or a controller put it in (gives);
//   - an FDB entry that is new or changed takes it away;
//   - a permanent entry, or an operator's static one, stays where it is. The address is then
//     contested: it is told, and told again when that has ended;
//   - a permanent entry without dst pins the address here: it neither ages nor moves.
//
// Whoever may send from the port can make addresses up, or use another host's. So
//   - the table has no more than `maxaddress` MAC addresses; what was seen in one second alone
//     gives its place to what is new, and what was seen longer does not;
//   - a MAC address has at most maxAddrsPerMAC IP addresses, and loses its own for more;
//   - an IP address that moved between MAC addresses MaxMoves times within GuardWindow stays
//     where it is for the rest of it (RFC 9161 section 3.7);
//   - a link takes up maxMeetings new addresses of either kind a second, so that who makes
//     them up cannot crowd out the events of others for long.
//
// A known MAC address costs a frame one look-up without a lock, and none where the frame
// before had the same.
type locals struct {
	link  *Link
	table *fdb.Table
	addrs localAddrs
	met   pacedBySecond
	tell  func(*LocalEvent)
	limit atomic.Int64 // of IP addresses; 0: any number
}

// The classes of local MAC addresses, in a RemoteID's place.
const (
	localHere      fdb.RemoteID = iota
	localContested              // a permanent entry has the address behind a remote
	localPinned                 // a permanent entry has the address here
)

// maxMeetings is how many new addresses a link takes up a second.
const maxMeetings = 4096

// LocalKind says what happened to an address on this side.
type LocalKind uint8

// The kinds of a LocalEvent.
const (
	LocalSeen LocalKind = iota
	LocalMoved
	LocalGone
	LocalContested
)

// LocalEvent is a change of a MAC address on this side, or of one of its IP addresses.
type LocalEvent struct {
	Kind   LocalKind
	Reason fdb.Reason // of LocalGone
	Router bool       // of an IP address: its host says that it is a router
	Pinned bool       // of a MAC address: a permanent entry has it here
	MAC    encap.MAC
	IP     encap.Addr // zero: the event is the MAC address's
	// Old is the remote that a MAC address was behind, or is where it is contested; nil:
	// behind none.
	Old    *Remote
	OldMAC encap.MAC // that had an IP address which moved
}

// Local is a MAC address on this side or one of its IP addresses, as LocalEvent has it.
type Local struct {
	MAC               encap.MAC
	IP                encap.Addr
	Router            bool
	Contested, Pinned bool
	Updated           fdb.Tick
}

// LearnLocals makes or removes the tables of the addresses on this side. tell is called with
// each event, with locks held: it must be quick and must not call the link. MACs and addrs
// limit the addresses of all links together, limit those of this link; 0: any number.
func (l *Link) LearnLocals(on bool, macs, addrs *fdb.Budget, limit int, tell func(*LocalEvent)) {
	t := l.locals.Load()
	switch {
	case t != nil && !on:
		l.locals.Store(nil)
		t.close()
	case t == nil && on:
		t = &locals{link: l, tell: tell}
		t.addrs.init(t, addrs)
		t.table = fdb.New(fdb.Config{
			MaxAddresses: limit, Shards: 16, Budget: macs, KeepSeen: true, OnChange: t.changed,
			SameAddr: func(fdb.RemoteID, fdb.RemoteID) bool { return true }, // a frame changes no class
		})
		t.limit.Store(int64(limit))
		l.locals.Store(t)
		l.FDB.Walk(func(e *fdb.Entry) bool {
			if !fdb.IsGroup(e.MAC) && l.pins(e.Remotes[0], e.State) {
				t.pin(e.MAC, e.Updated)
			}
			return true
		})
	case t != nil:
		t.table.SetMaxAddresses(limit)
		t.limit.Store(int64(limit))
	}
}

// WalkLocals calls fn with each address on this side until it returns false: a MAC address,
// then its IP addresses. No lock is held while fn runs.
func (l *Link) WalkLocals(fn func(*Local) bool) {
	t := l.locals.Load()
	if t == nil {
		return
	}
	t.table.Walk(func(e *fdb.Entry) bool {
		class := e.Remotes[0]
		if !fn(&Local{MAC: e.MAC, Contested: class == localContested, Pinned: class == localPinned, Updated: e.Updated}) {
			return false
		}
		for _, a := range t.addrs.of(e.MAC) {
			if !fn(&a) {
				return false
			}
		}
		return true
	})
}

// has reports whether a MAC address is on this side, uncontested.
func (t *locals) has(mac encap.MAC) bool {
	class, _, ok := t.table.Peek(mac)
	return ok && class != localContested
}

// note notes whom the frame, which in describes, is from. It is for the data path.
func (t *locals) note(from *source, frame []byte, in *encap.Inner, now fdb.Tick) {
	if src := encap.EthSrc(frame); src != from.noted {
		if !t.table.Refresh(src, localHere, now) && !t.meet(src, now) {
			return
		}
		from.noted = src
	}
	if in.EtherType == encap.EtherTypeARP || in.Proto == encap.ProtoICMPv6 {
		if c, ok := encap.ParseClaim(frame, in); ok {
			t.addrs.learn(&c, now)
		}
	}
}

// meet takes up a MAC address that is new on this side. It reports false where there is no
// room.
func (t *locals) meet(mac encap.MAC, now fdb.Tick) bool {
	if fdb.IsGroup(mac) || !t.met.takes(maxMeetings, now) {
		return false
	}
	as := localHere
	if id, st, fl, known := t.link.FDB.PeekState(mac); known && !gives(st, fl) && t.link.remoteAt(id) != nil {
		as = localContested
	}
	switch t.table.Learn(mac, as, now).Outcome {
	case fdb.LearnFull, fdb.LearnRefusedInvalid:
		t.met.close(now) // else each frame of who makes addresses up would look for room
		return false
	case fdb.LearnNew, fdb.LearnRefreshed, fdb.LearnMoved, fdb.LearnRefusedStatic:
	}
	t.link.FDB.GiveWay(mac, func(r fdb.RemoteID, st fdb.State, fl fdb.Flags) bool {
		return gives(st, fl) && t.link.remoteAt(r) != nil
	})
	return true
}

// gives reports whether an FDB entry gives way to a frame from this side: a learned one, and
// a controller's but where it is permanent (the sticky address of RFC 7432 section 15.2).
func gives(st fdb.State, fl fdb.Flags) bool {
	return st == fdb.Dynamic || st == fdb.Static && fl&fdb.FlagExternLearn != 0
}

// remoteAt is the remote of an FDB entry; nil: it has no dst, so that the address is on this
// side.
func (l *Link) remoteAt(id fdb.RemoteID) *Remote {
	if r := l.Remotes.At(id); r != nil && r.Addr != (encap.Addr{}) {
		return r
	}
	return nil
}

// pins reports whether an FDB entry has its address on this side for good: a permanent one
// without dst (the static address of RFC 7432 section 15.2).
func (l *Link) pins(r fdb.RemoteID, st fdb.State) bool {
	return st == fdb.Permanent && l.remoteAt(r) == nil
}

// pin takes up an address that a permanent entry has here. Where the table is full of others
// that stay, its frames show it as any other's do.
func (t *locals) pin(mac encap.MAC, now fdb.Tick) {
	_ = t.table.Replace(mac, localPinned, fdb.Permanent, 0, now) // full: see above
}

// follow follows a change of the link's FDB. It runs under a lock of the FDB's.
func (t *locals) follow(e *fdb.Event) {
	if t == nil || fdb.IsGroup(e.MAC) {
		return
	}
	class, _, ok := t.table.Peek(e.MAC)
	switch {
	case e.Kind != fdb.Removed && t.link.pins(e.Remote, e.State):
		t.pin(e.MAC, e.Updated)
	case ok && class == localPinned: // its entry is gone, or another one by now
		t.table.GiveWay(e.MAC, func(c fdb.RemoteID, _ fdb.State, _ fdb.Flags) bool { return c == localPinned })
	case !ok || e.Kind != fdb.Removed && t.link.remoteAt(e.Remote) == nil:
	case e.Kind == fdb.Removed && class == localContested:
		t.table.GiveWay(e.MAC, func(c fdb.RemoteID, _ fdb.State, _ fdb.Flags) bool { return c == localContested })
	case e.Kind == fdb.Removed:
	case gives(e.State, e.Flags):
		t.table.GiveWay(e.MAC, func(fdb.RemoteID, fdb.State, fdb.Flags) bool { return true })
	case class == localHere:
		t.table.Change(e.MAC, localContested)
	}
}

// changed tells a change of the table. It runs under a shard's lock of it.
func (t *locals) changed(e fdb.Event) {
	ev := LocalEvent{MAC: e.MAC, Reason: e.Reason, Pinned: e.Remote == localPinned}
	if id, _, ok := t.link.FDB.Peek(e.MAC); ok {
		ev.Old = t.link.remoteAt(id)
	}
	switch {
	case e.Kind == fdb.Removed:
		ev.Kind, ev.Old = LocalGone, nil
		t.addrs.forget(e.MAC, e.Reason)
	case e.Remote == localContested:
		ev.Kind = LocalContested
		t.addrs.forget(e.MAC, fdb.ReasonMoved)
	case ev.Old != nil:
		ev.Kind = LocalMoved
	}
	t.tell(&ev)
}

// age removes the addresses that were seen longer ago than ageing, where that is not 0.
func (t *locals) age(now, ageing fdb.Tick) {
	if t != nil {
		t.table.Age(now, ageing)
		t.addrs.age(now, ageing)
	}
}

func (t *locals) clear() {
	if t != nil {
		t.table.Flush(func(e *fdb.Entry) bool { return e.Remotes[0] != localPinned })
	}
}

// close empties the tables for good: a worker may still use them.
func (t *locals) close() {
	if t != nil {
		t.table.Flush(nil)
		t.table.Close()
		t.addrs.close()
	}
}

// pacedBySecond counts up to a limit in each second of the coarse clock.
type pacedBySecond struct{ word atomic.Uint64 } // second<<32 | count

// takes counts one more in the second now, unless limit has been counted.
func (p *pacedBySecond) takes(limit uint32, now fdb.Tick) bool {
	for {
		w := p.word.Load()
		n := uint32(w)
		if uint32(w>>32) != uint32(now) {
			n = 0
		}
		if n >= limit {
			return false
		}
		if p.word.CompareAndSwap(w, uint64(now)<<32|uint64(n+1)) {
			return true
		}
	}
}

// close has nothing more counted in the second now.
func (p *pacedBySecond) close(now fdb.Tick) { p.word.Store(uint64(now)<<32 | 1<<31) }
