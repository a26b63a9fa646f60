package vtep

import (
	"maps"
	"slices"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep/forward"
)

// Subscribe queues the events from now on. Close has to end the Subscription. The error is
// ErrFull where there are too many.
func (v *VTEP) Subscribe(set EventSet) (*Subscription, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil, ErrClosed
	}
	if set&DropEvents != 0 && !v.events.wants(DropEvents) {
		v.newDrops(func(string, forward.DropReason, uint64, *encap.VNI) {}) // earlier drops are not told
	}
	return v.events.subscribe(set)
}

// tellLink tells subscribers that a link is new or changed. The caller holds v.mu.
func (l *link) tellLink() {
	if l.vtep.events.wants(LinkEvents) {
		info := l.info()
		l.vtep.events.tell(LinkEvents, &Event{Kind: LinkChanged, Link: &info})
	}
}

// tellGone tells subscribers that a link is removed: of each entry first, which it takes out
// of the FDB, then of the link, which info describes. The kernel has the same order
// (vxlan_dellink in drivers/net/vxlan/vxlan_core.c). The caller holds v.mu.
func (l *link) tellGone(info *LinkInfo) {
	if l.vtep.events.wants(FDBEvents) {
		l.FDB.Flush(nil)
	}
	l.vtep.events.tell(LinkEvents, &Event{Kind: LinkRemoved, Link: info})
}

// tellFDB tells subscribers of a change of the FDB. It runs under a shard's lock.
func (l *link) tellFDB(e *fdb.Event) {
	if !l.vtep.events.wants(FDBEvents) {
		return
	}
	entry, ok := l.describe(&fdb.Entry{MAC: e.MAC, State: e.State, Used: e.Used, Updated: e.Updated}, e.Remote, e.Flags)
	if !ok {
		return
	}
	ev := Event{Kind: EntryChanged, Reason: e.Reason, Entry: l.short(entry)}
	switch e.Kind {
	case fdb.Moved:
		ev.Kind = EntryMoved
		if old := l.Remotes.At(e.Old); old != nil {
			ev.Old = old.Addr.Netip()
		}
	case fdb.Removed:
		ev.Kind = EntryRemoved
	case fdb.Added, fdb.Updated:
	}
	l.vtep.events.tell(FDBEvents, &ev)
}

// tellGuard tells subscribers which MACs moveguard holds or releases.
func (l *link) tellGuard(kind EventKind, macs []encap.MAC) {
	if !l.vtep.events.wants(FDBEvents) {
		return
	}
	for _, mac := range macs {
		ev := Event{Kind: kind, Entry: FDBEntry{Link: l.device.Name, MAC: mac}}
		if e, ok := l.FDB.Get(mac); ok {
			if d, ok := l.describe(&e, e.Remotes[0], e.FlagsOf(0)); ok {
				ev.Entry = l.short(d)
			}
		}
		l.vtep.events.tell(FDBEvents, &ev)
	}
}

// tellPolicy tells subscribers the policy id of the last packets, where it has changed. The
// caller holds v.mu.
func (l *link) tellPolicy() {
	id := l.LastPolicy.Load()
	if id == l.policyTold || !l.vtep.events.wants(LinkEvents) {
		return
	}
	l.policyTold = id
	l.vtep.events.tell(LinkEvents, &Event{Kind: PolicySeen, Policy: uint16(id), Entry: FDBEntry{Link: l.device.Name}})
}

// tellL2Miss tells subscribers of a MAC address without an entry. The data path calls it.
func (v *VTEP) tellL2Miss(link string, mac encap.MAC) {
	if v.events.wants(FDBEvents) {
		v.events.offer(FDBEvents, &Event{Kind: L2Miss, Entry: FDBEntry{Link: link, MAC: mac}})
	}
}

// tellL3Miss tells subscribers of an address without a neighbour. The data path calls it.
func (v *VTEP) tellL3Miss(link string, ip encap.Addr) {
	if v.events.wants(FDBEvents) {
		v.events.offer(FDBEvents, &Event{Kind: L3Miss, Entry: FDBEntry{Link: link, Remote: Remote{Addr: ip.Netip()}}})
	}
}

// newDrops calls fn with the drops since the call before: those of each link, by the index of
// its netdev, then those of no link (""), where it is known with the VNI that no link has. The caller holds v.mu.
func (v *VTEP) newDrops(fn func(link string, r forward.DropReason, n uint64, vni *encap.VNI)) {
	look := func(link string, shards []forward.Counters, told *forward.DropTotals) {
		now := forward.TotalDrops(shards)
		for r := range now {
			n := now[r] - told[r]
			if forward.DropReason(r) == forward.RxUnknownVNI && n > 0 {
				n -= v.newUnknown(n, func(vni encap.VNI, n uint64) { fn(link, forward.RxUnknownVNI, n, &vni) })
			}
			if n > 0 {
				fn(link, forward.DropReason(r), n, nil)
			}
		}
		*told = now
	}
	for _, l := range v.byIndex() {
		l.takeFiltered()
		look(l.device.Name, l.Shards, &l.dropsTold)
	}
	v.takeFiltered()
	look("", v.plane.Counters, &v.dropsTold)
}

// newUnknown calls fn with the packets of unknown VNIs since the call before, n of them at most, and
// returns of how many it did. The caller holds v.mu.
func (v *VTEP) newUnknown(n uint64, fn func(vni encap.VNI, n uint64)) (told uint64) {
	now := [...][]encap.VNICounted{make([]encap.VNICounted, len(v.plane.Unknown)), v.filter.UnknownVNIs()}
	for i := range v.plane.Unknown {
		now[0][i] = v.plane.Unknown[i].Read()
	}
	all := make(map[encap.VNI]uint64)
	for i := range now {
		before := v.unknownTold[i]
		if len(before) != len(now[i]) {
			before = make([]encap.VNICounted, len(now[i]))
		}
		for j := range now[i] {
			now[i][j].Since(&before[j], func(vni encap.VNI, n uint64) { all[vni] += n })
		}
	}
	v.unknownTold = now
	for _, vni := range slices.Sorted(maps.Keys(all)) {
		if count := min(all[vni], n-told); count > 0 { // more may have come since n was read
			fn(vni, count)
			told += count
		}
	}
	return told
}

// tellDrops tells subscribers the drops since the call before. The caller holds v.mu.
func (v *VTEP) tellDrops() {
	if !v.events.wants(DropEvents) {
		return
	}
	v.newDrops(func(link string, r forward.DropReason, n uint64, vni *encap.VNI) {
		v.events.tell(DropEvents, &Event{Kind: Dropped, Drop: r, Count: n, Entry: FDBEntry{Link: link, Remote: Remote{VNI: vni}}})
	})
}
