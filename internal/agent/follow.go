package agent

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/bgp"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/evpn"
)

// hears is who is told what the data plane says: an evpn.Agent.
type hears interface {
	BeginList()
	EndList()
	Lost()
	HandleLink(evpn.Link)
	HandleLinkGone(name string)
	HandleLinkRenamed(was, is string)
	HandleMAC(evpn.MAC)
	HandleAddr(evpn.Addr)
}

// How long to wait before the data plane is asked again that does not answer.
const (
	firstRest = 100 * time.Millisecond
	maxRest   = 2 * time.Second
)

// follower listens to the data plane, and begins again whenever the stream ends.
type follower struct {
	client *client.Client
	plane  *plane
	agent  hears
	log    *slog.Logger
	took   map[string]device // links that take part, by their names
	names  map[device]string // the other way round
	was    map[string]string // the last name of links that were renamed, to the one of now
}

// device is what a link keeps when it is renamed: its device's index and network namespace and, of a trunk port,
// its VLAN. The zero value is that of a device in a namespace without a number, which is followed by its name alone.
type device struct {
	index int
	nsid  int
	vlan  uint16
}

func deviceOf(l *api.Link) device {
	d := device{index: l.Netdev.Index}
	if n := l.Netdev.NSID; n != nil {
		d.nsid = 1 + *n
		if *n < 0 {
			return device{}
		}
	}
	if l.Spec.VLAN != nil {
		d.vlan = *l.Spec.VLAN
	}
	return d
}

// run follows until ctx ends.
func (f *follower) run(ctx context.Context) error {
	rest, told := firstRest, false
	for ctx.Err() == nil {
		heard, err := f.stream(ctx)
		f.agent.Lost()
		if heard {
			rest, told = firstRest, false
		}
		if ctx.Err() != nil {
			return nil
		}
		if !told && err != nil {
			f.log.Warn("the data plane does not answer: it is asked again until it does", "err", err)
			told = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(rest):
		}
		rest = min(2*rest, maxRest)
	}
	return nil
}

// stream follows one stream to its end, and reports whether its list came whole.
func (f *follower) stream(ctx context.Context) (heard bool, err error) {
	s, err := f.client.Follow(ctx, "", api.ObjectLink, api.ObjectLocal)
	if err != nil {
		return false, err
	}
	defer func() { _ = s.Close() }() // at its end, or of no interest
	if err := f.plane.renew(ctx); err != nil {
		return false, err
	}
	f.took, f.names, f.was = map[string]device{}, map[device]string{}, map[string]string{}
	f.agent.BeginList()
	for {
		e, err := s.Next()
		if err != nil {
			return heard, err
		}
		switch {
		case e.Event == api.EventListed:
			heard = true
			f.log.Info("the data plane answers")
			f.agent.EndList()
		case e.Event == api.EventLost: // what was lost is in the next list
			f.log.Warn("the data plane's events came faster than they were read: its list is read again", "lost", e.Lost)
			return heard, nil
		case e.Link != nil:
			if !f.link(&e) {
				f.log.Info("links have changed their names with each other: the list is read again")
				return heard, nil
			}
		case e.Local != nil:
			f.local(&e)
		}
	}
}

// link hands over a link whose hosts are told: one that says evpn or learnlocal. It reports whether it is
// known which link is which.
func (f *follower) link(e *api.Event) (known bool) {
	s := &e.Link.Spec
	says := func(word *bool) bool { return word != nil && *word }
	d := deviceOf(e.Link)
	if !f.renamed(d, s.Name) {
		return false
	}
	if e.Event == api.EventDel || !says(s.LearnLocal) && !says(s.EVPN) {
		if of, ok := f.took[s.Name]; ok {
			delete(f.took, s.Name)
			delete(f.names, of)
			f.agent.HandleLinkGone(s.Name)
		}
		return true
	}
	l := evpn.Link{Name: s.Name, Quiet: !says(s.EVPN)}
	if flags := e.Link.Netdev.Flags; len(flags) > 0 {
		l.Down = !slices.Contains(flags, "UP")
	}
	if s.ID != nil {
		l.VNI = *s.ID
	}
	if s.Local != nil {
		l.Local = *s.Local
	}
	delete(f.names, f.took[s.Name]) // a move between network namespaces may change the index
	f.took[s.Name], f.names[d] = d, s.Name
	f.agent.HandleLink(l)
	return true
}

// renamed tells that a link has another name than before, if it has. It reports false where another link
// had that name until now, whose own event is yet to come.
func (f *follower) renamed(d device, is string) bool {
	was, ok := f.names[d]
	if !ok || was == is || d == (device{}) {
		return true
	}
	if _, taken := f.took[is]; taken {
		return false
	}
	delete(f.took, was)
	f.took[is], f.names[d] = d, is
	maps.DeleteFunc(f.was, func(_, to string) bool { return to == was })
	f.was[was] = is
	f.agent.HandleLinkRenamed(was, is)
	return true
}

// present is the name of now of a link that a frame's event has by its name of then.
func (f *follower) present(name string) string {
	if _, ok := f.took[name]; ok {
		return name
	}
	if is, ok := f.was[name]; ok {
		return is
	}
	return name
}

// local hands over an address of this side. One that an operator has put behind a remote for good
// is told to nobody.
func (f *follower) local(e *api.Event) {
	mac, ok := macOf(e.Local.MAC)
	if !ok {
		f.log.Error("the data plane says a MAC address that is none: is it of another version?", "mac", e.Local.MAC)
		return
	}
	link := f.present(e.Local.Dev)
	gone := e.Event == api.EventDel || e.Event == api.EventConflict || e.Local.Contested
	if !e.Local.IP.IsValid() {
		f.agent.HandleMAC(evpn.MAC{Link: link, MAC: mac, Sticky: e.Local.Sticky, Gone: gone})
		return
	}
	if e.Event == api.EventMove {
		if old, ok := macOf(e.OldMAC); ok {
			f.agent.HandleAddr(evpn.Addr{Link: link, MAC: old, Addr: e.Local.IP, Gone: true})
		}
	}
	f.agent.HandleAddr(evpn.Addr{Link: link, MAC: mac, Addr: e.Local.IP, Flags: bgp.NeighbourFlags{Router: e.Local.Router}, Gone: gone})
}
