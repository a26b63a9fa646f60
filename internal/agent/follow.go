package agent

import (
	"context"
	"log/slog"
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
	took   map[string]bool // links that take part
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
		if !told {
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
	f.took = map[string]bool{}
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
			f.link(&e)
		case e.Local != nil:
			f.local(&e)
		}
	}
}

// link hands over a link whose hosts are told: one that says evpn or learnlocal.
func (f *follower) link(e *api.Event) {
	s := &e.Link.Spec
	says := func(word *bool) bool { return word != nil && *word }
	if e.Event == api.EventDel || !says(s.LearnLocal) && !says(s.EVPN) {
		if f.took[s.Name] {
			delete(f.took, s.Name)
			f.agent.HandleLinkGone(s.Name)
		}
		return
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
	f.took[s.Name] = true
	f.agent.HandleLink(l)
}

// local hands over an address of this side. One that an operator has put behind a remote for good
// is told to nobody.
func (f *follower) local(e *api.Event) {
	mac, ok := macOf(e.Local.MAC)
	if !ok {
		f.log.Error("the data plane says a MAC address that is none: is it of another version?", "mac", e.Local.MAC)
		return
	}
	gone := e.Event == api.EventDel || e.Event == api.EventConflict || e.Local.Contested
	if !e.Local.IP.IsValid() {
		f.agent.HandleMAC(evpn.MAC{Link: e.Local.Dev, MAC: mac, Sticky: e.Local.Sticky, Gone: gone})
		return
	}
	if e.Event == api.EventMove {
		if old, ok := macOf(e.OldMAC); ok {
			f.agent.HandleAddr(evpn.Addr{Link: e.Local.Dev, MAC: old, Addr: e.Local.IP, Gone: true})
		}
	}
	f.agent.HandleAddr(evpn.Addr{Link: e.Local.Dev, MAC: mac, Addr: e.Local.IP, Flags: bgp.NeighbourFlags{Router: e.Local.Router}, Gone: gone})
}
