package vtep

import (
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep/forward"
)

// linkConditions are the conditions of a link; guarded by VTEP.mu.
type linkConditions struct {
	dropping       [numDropConditions]condition // in the order of dropConditions
	full, evicting condition
	incomplete     bool // logged that the link is not complete
}

const numDropConditions = 5

// dropConditions are the log lines about a link's drops, by reason.
//
//nolint:gochecknoglobals // a table, never written
var dropConditions = [numDropConditions]struct {
	reason forward.DropReason
	text   conditionText
}{
	{forward.TxUnreachable, conditionText{
		begins: "frames to a remote are dropped, no route leads to it: look at the remotes with uvtep fdb show and at their routes",
		goesOn: "frames to a remote are still dropped, no route leads to it",
		ends:   "no frame to a remote was dropped for want of a route lately",
	}},
	{forward.TxRefused, conditionText{
		begins: "frames to a remote are dropped, the host refuses to send them: look at the firewall's rules for the link's dstport",
		goesOn: "frames to a remote are still dropped, the host refuses to send them",
		ends:   "no frame to a remote was refused by the host lately",
	}},
	{forward.TxLoop, conditionText{
		begins: "packets of this daemon came back to the link and are dropped, or the route to a remote leads through it: look with ip route get",
		goesOn: "packets of this daemon still come back to the link, or the route to a remote leads through it",
		ends:   "no packet of this daemon came back to the link lately",
	}},
	{forward.TxFloodLoop, conditionText{
		begins: "frames go round a loop, the same one is flooded again and again: look for two ways between the bridges that the VTEPs of this VNI join",
		goesOn: "frames still go round a loop",
		ends:   "no frame went round a loop lately",
	}},
	{forward.TxPortOverflow, conditionText{
		begins: "the host drops frames to a port, its queue is full: give it more queues, a loud VLAN a device of its own, or limit who sends so much",
		goesOn: "the host still drops frames to a port, its queue is full",
		ends:   "the host dropped no frame to a port lately",
	}},
}

//nolint:gochecknoglobals // texts, never written
var (
	overflowText = &dropConditions[numDropConditions-1].text // for trunk ports as well
	socketText   = conditionText{
		begins: "the host drops datagrams, a receive socket is full: look at the rates of the remotes and at the processors' load",
		goesOn: "the host still drops datagrams, a receive socket is full",
		ends:   "the host dropped no datagram at a receive socket lately",
	}
	fullText = conditionText{
		begins: "the forwarding database is full, new addresses are not learned: find who sends so many with uvtep fdb show, or raise maxaddress, the link's or the daemon's",
		goesOn: "the forwarding database is still full, new addresses are not learned",
		ends:   "no address was kept out of the forwarding database lately",
	}
	evictingText = conditionText{
		begins: "the forwarding database is full, the remote that holds most gives places to new addresses: look at what it sends, or raise maxaddress, the link's or the daemon's",
		goesOn: "the forwarding database is still full, the remote that holds most gives places to new addresses",
		ends:   "the forwarding database gave no place of one address to another lately",
	}
)

// tellConditions follows the conditions of the link. The caller holds VTEP.mu.
func (l *link) tellConditions(now fdb.Tick) {
	drops, c, log := forward.TotalDrops(l.Shards), &l.conditions, l.log
	for i := range dropConditions {
		c.dropping[i].follow(log, now, drops[dropConditions[i].reason], &dropConditions[i].text)
	}
	c.full.follow(log, now, forward.NotLearned(l.Shards), &fullText)
	n, giver := l.Evicted()
	if n != c.evicting.seen && giver != nil {
		log = log.With("remote", giver.Addr.String())
	}
	c.evicting.follow(log, now, n, &evictingText)
}

// tellComplete logs when the link begins to lack something, and when it has everything. The
// caller holds VTEP.mu.
func (l *link) tellComplete() {
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

// tellConditions follows the conditions of what links share. The caller holds v.mu.
func (v *VTEP) tellConditions(now fdb.Tick) {
	v.socketsFull.follow(v.log, now, forward.TotalDrops(v.plane.Counters)[forward.RxSocketOverflow], &socketText)
	for _, t := range v.trunks {
		t.overflow.follow(t.log, now, forward.TotalDrops(t.Nobody)[forward.TxPortOverflow], overflowText)
	}
}
