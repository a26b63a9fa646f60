package control

import (
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep"
)

// list writes what is there of what in wants. The subscription has begun, so that what
// changes while the list is written follows it as an event: who reads the events in their
// order has the present state.
func (s *Server) list(put func(api.Event) error, in *interest) error {
	var failed error
	event := func(e api.Event) bool {
		e.Time, e.Event, e.Listed = time.Now(), api.EventNew, true
		failed = put(e)
		return failed == nil
	}
	backend := s.config.Backend
	if in.set&vtep.LinkEvents != 0 {
		for _, info := range backend.Links() {
			if l := s.describe(info); in.dev == "" || in.dev == info.Name || in.dev == info.Config.Name {
				if !event(api.Event{Object: api.ObjectLink, Link: &l}) {
					return failed
				}
			}
		}
	}
	// A link that is not there yet has no list.
	if in.set&vtep.FDBEvents != 0 {
		_ = backend.WalkFDB(vtep.FDBFilter{Link: in.dev}, func(e *vtep.FDBEntry) bool {
			return event(api.Event{Object: api.ObjectFDB, FDB: new(entryOf(*e))})
		})
	}
	if in.set&vtep.LocalEvents != 0 && failed == nil {
		_ = backend.WalkLocal(in.dev, nil, func(e *vtep.LocalEntry) bool {
			return event(api.Event{Object: api.ObjectLocal, Local: new(localOf(e))})
		})
	}
	if failed != nil {
		return failed
	}
	return put(api.Event{Time: time.Now(), Event: api.EventListed, Listed: true})
}

// localEvent fills in the event of an address on this side.
func (s *Server) localEvent(out *api.Event, e *vtep.Event) {
	out.Object = api.ObjectLocal
	out.Local = &api.LocalEntry{
		Dev: e.Entry.Link, MAC: e.Entry.MAC.String(), IP: e.Entry.Remote.Addr,
		Router: e.Entry.Flags&fdb.FlagRouter != 0, Contested: e.Kind == vtep.LocalContested, Sticky: e.Pinned,
	}
	out.Old = e.Old
	switch e.Kind {
	case vtep.LocalMoved:
		out.Event = api.EventMove
		if !e.OldMAC.IsZero() {
			out.OldMAC = e.OldMAC.String()
		}
	case vtep.LocalGone:
		out.Event, out.Reason = api.EventDel, e.Reason.String()
	case vtep.LocalContested:
		out.Event = api.EventConflict
	default:
		out.Event = api.EventNew
	}
}
