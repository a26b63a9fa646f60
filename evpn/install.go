package evpn

import (
	"context"
	"unique"
)

// pending is a change that the data plane is to be asked for.
type pending struct {
	Change
	link *link
}

// install queues a change for the data plane.
func (a *Agent) install(l *link, c Change) {
	c.Link = l.Name
	a.changes = append(a.changes, pending{c, l})
}

// uninstall queues that all goes that was put into a link of the data plane.
func (a *Agent) uninstall(l *link) {
	for e := range l.macs.all() {
		if e.installed() != (remote{}) {
			a.install(l, Change{Kind: DelMAC, MAC: e.mac})
		}
	}
	for ip, e := range l.addrs.of {
		if e.installed != (neighbour{}) {
			a.install(l, Change{Kind: DelAddr, Addr: ip})
		}
	}
	for v, e := range l.vteps {
		if e.installed != noPeer {
			a.install(l, Change{Kind: DelVTEP, VTEP: v.Value()})
		}
	}
}

// apply asks the data plane for the changes of part. Where it cannot be asked, all of rest, which
// begins with part, stays to be done, and apply reports false. epoch is that in which the changes were decided.
func (a *Agent) apply(ctx context.Context, part, rest []pending, epoch uint32) bool {
	changes := make([]Change, len(part))
	for i := range part {
		changes[i] = part[i].Change
	}
	errs, err := a.conf.Plane.Apply(ctx, changes)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.epoch != epoch { // the data plane was lost in between, and all is asked for again
		a.redo(rest)
		return false
	}
	if err != nil {
		if ctx.Err() == nil {
			a.counts.Unasked++
			a.log.Warn("the data plane cannot be asked: what it should have is kept for it", "err", err)
		}
		a.changes = append(a.present(rest), a.changes...)
		a.waitFor(askAgain)
		return false
	}
	a.counts.Changes += uint64(len(part))
	var gone []pending
	for i, err := range errs {
		if a.links[part[i].Link] != part[i].link {
			gone = append(gone, part[i])
			continue
		} else if err == nil {
			continue
		}
		a.counts.Refused++
		a.counts.Changes--
		a.failed = append(a.failed, part[i])
		a.log.Warn("the data plane refuses an entry: it is tried again every 30 s", "link", part[i].Link, "entry", part[i].String(), "err", err)
	}
	if len(a.failed) > 0 && a.retry.IsZero() {
		a.retry = now().Add(tryAgain)
	}
	a.redo(gone)
	return true
}

// present returns the changes whose links are still there. Those of a link that is gone may have been
// made in one that has its name by now, which is told again what it should have.
func (a *Agent) present(changes []pending) []pending {
	var there, gone []pending
	for i := range changes {
		if c := &changes[i]; a.links[c.Link] == c.link {
			there = append(there, *c)
		} else {
			gone = append(gone, *c)
		}
	}
	a.redo(gone)
	return there
}

// redo has changes looked at again of which it is not known whether they were made in the link that
// has the name now, or in the one that they were for, which may have another name by now.
func (a *Agent) redo(changes []pending) {
	for i := range changes {
		f := &changes[i]
		named := a.links[f.Link]
		if named != nil {
			named.redo(&f.Change)
		}
		if l := f.link; l != named && a.links[l.Name] == l {
			l.redo(&f.Change)
		}
	}
}

func (l *link) redo(c *Change) {
	if l.out != "" && l.out != notJoined {
		return
	}
	switch c.Kind {
	case SetMAC, DelMAC:
		l.mac(c.MAC).install(unknownRemote())
		l.touchMAC(c.MAC)
	case SetAddr, DelAddr:
		l.addr(c.Addr).installed = unknownNeighbour()
		l.touchAddr(c.Addr)
	case SetVTEP, DelVTEP:
		l.peer(unique.Make(c.VTEP)).installed = unknownPeer
		l.touchPeer(unique.Make(c.VTEP))
	}
}

// sweep removes from the data plane what earlier agents put in.
func (a *Agent) sweep(ctx context.Context, epoch uint32) {
	err := a.conf.Plane.Sweep(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.epoch != epoch {
		return
	}
	if err != nil {
		if ctx.Err() == nil {
			a.counts.Unasked++
			a.log.Warn("the data plane cannot be asked to sweep: it is asked again", "err", err)
		}
		a.waitFor(askAgain)
		return
	}
	a.swept = true
	a.counts.Sweeps++
}

// String is the change in a line, for the log.
func (c *Change) String() string {
	switch c.Kind {
	case SetMAC:
		return c.MAC.String() + " dst " + c.VTEP.String()
	case DelMAC:
		return c.MAC.String()
	case SetAddr:
		return c.Addr.String() + " lladdr " + c.MAC.String()
	case DelAddr:
		return c.Addr.String()
	case SetVTEP, DelVTEP:
		return "VTEP " + c.VTEP.String()
	}
	return ""
}
