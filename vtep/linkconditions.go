package vtep

import (
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep/forward"
)

// linkConditions are what may be wrong with a link for a while; guarded by VTEP.mu.
type linkConditions struct {
	unreachable, refused, full, evicting, looped, overflow, loop condition
	incomplete                                                   bool // as logged
}

//nolint:gochecknoglobals // texts, never written
var (
	unreachableText = conditionText{
		begins: "frames to a remote are dropped, no route leads to it: look at the remotes with uvtep fdb show and at their routes",
		goesOn: "frames to a remote are still dropped, no route leads to it",
		ends:   "no frame to a remote was dropped for want of a route lately",
	}
	refusedText = conditionText{
		begins: "frames to a remote are dropped, the host refuses to send them: look at the firewall's rules for the link's dstport",
		goesOn: "frames to a remote are still dropped, the host refuses to send them",
		ends:   "no frame to a remote was refused by the host lately",
	}
	loopedText = conditionText{
		begins: "packets of this daemon came back to the link and are dropped, or the route to a remote leads through it: look with ip route get",
		goesOn: "packets of this daemon still come back to the link, or the route to a remote leads through it",
		ends:   "no packet of this daemon came back to the link lately",
	}
	loopText = conditionText{
		begins: "frames go round a loop, the same one is flooded again and again: look for two ways between the bridges that the VTEPs of this VNI join",
		goesOn: "frames still go round a loop",
		ends:   "no frame went round a loop lately",
	}
	overflowText = conditionText{
		begins: "the host drops frames to a port, its queue is full: give it more queues, a loud VLAN a device of its own, or limit who sends so much",
		goesOn: "the host still drops frames to a port, its queue is full",
		ends:   "the host dropped no frame to a port lately",
	}
	socketText = conditionText{
		begins: "the host drops datagrams, a receive socket is full: look at the rates of the remotes and at the processors' load",
		goesOn: "the host still drops datagrams, a receive socket is full",
		ends:   "the host dropped no datagram at a receive socket lately",
	}
	fullText = conditionText{
		begins: "the forwarding database is full, new addresses are not learned: find who sends so many with uvtep fdb show, or raise maxaddress, the link's or the daemon's",
		goesOn: "the forwarding database is still full, new addresses are not learned",
		ends:   "no address was kept out of the forwarding database lately",
	}
)

//nolint:gochecknoglobals // a text, never written
var evictingText = conditionText{
	begins: "the forwarding database is full, the remote that holds most gives places to new addresses: look at what it sends, or raise maxaddress, the link's or the daemon's",
	goesOn: "the forwarding database is still full, the remote that holds most gives places to new addresses",
	ends:   "the forwarding database gave no place of one address to another lately",
}

// tellEvicting logs that learned addresses give their places to others.
func (l *Link) tellEvicting(now fdb.Tick) {
	log := l.log
	n, giver := l.Evicted()
	if n != l.conditions.evicting.seen && giver != nil {
		log = log.With("remote", giver.Addr.String())
	}
	l.conditions.evicting.follow(log, now, n, &evictingText)
}

// tellConditions logs what is wrong with the link, from its counters. The caller
// holds VTEP.mu.
func (l *Link) tellConditions(now fdb.Tick) {
	drops, c := forward.TotalDrops(l.Shards), &l.conditions
	c.unreachable.follow(l.log, now, drops[forward.TxUnreachable], &unreachableText)
	c.refused.follow(l.log, now, drops[forward.TxRefused], &refusedText)
	c.looped.follow(l.log, now, drops[forward.TxLoop], &loopedText)
	c.loop.follow(l.log, now, drops[forward.TxFloodLoop], &loopText)
	c.overflow.follow(l.log, now, drops[forward.TxPortOverflow], &overflowText)
	c.full.follow(l.log, now, forward.NotLearned(l.Shards), &fullText)
	l.tellEvicting(now)
}

// tellComplete logs where the link begins to lack something that it needs, and where it
// has it all. The caller holds VTEP.mu.
func (l *Link) tellComplete() {
	if l.retry == l.conditions.incomplete {
		return
	}
	l.conditions.incomplete = l.retry
	if l.retry {
		l.log.Warn("the link is not complete, trying again each second", "err", l.missing)
		return
	}
	l.log.Info("the link is complete")
}

// tellConditions logs what is wrong with what links share. The caller holds v.mu.
func (v *VTEP) tellConditions(now fdb.Tick) {
	v.socketsFull.follow(v.log, now, forward.TotalDrops(v.plane.Counters)[forward.RxSocketOverflow], &socketText)
	for _, t := range v.trunks {
		t.overflow.follow(t.log, now, forward.TotalDrops(t.Nobody)[forward.TxPortOverflow], &overflowText)
	}
}
