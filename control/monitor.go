package control

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/internal/words"
	"github.com/uvtep/uvtep/vtep"
)

// lineTimeout is how long a reader may leave a line of a stream unread before
// it is cut off. Meanwhile its events are queued, and then lost.
const lineTimeout = 10 * time.Second

// interest says which events a reader wants.
type interest struct {
	set vtep.EventSet
	dev string // the link; "": all of them, and packets of no link
	// list: the stream begins with what is there.
	list bool
	// sample: the stream tells a frame of each drop reason.
	sample bool
}

// interestOf reads what=link,fdb,local,drop, which stands for all where it is missing, dev=NAME
// and list=true.
// The link need not exist yet.
func interestOf(q url.Values) (in interest, err error) {
	for key, values := range q {
		if key != "what" && key != "dev" && key != "list" && key != "sample" || len(values) != 1 {
			return in, api.Invalidf("%s=%s is no query of monitor: write what=link,fdb,local,drop or some of them, dev=NAME, list=true and sample=true, each once", key, strings.Join(values, ","))
		}
	}
	if in.set, err = objectSet(q); err == nil && q.Has("dev") {
		in.dev = q.Get("dev")
		err = words.ValidName(in.dev)
	}
	if err == nil && q.Has("list") {
		if in.list = q.Get("list") == "true"; !in.list {
			err = api.Invalidf("list=%s is no query of monitor: write list=true, or leave it out", q.Get("list"))
		}
	}
	if err == nil && q.Has("sample") {
		if in.sample = q.Get("sample") == "true"; !in.sample {
			err = api.Invalidf("sample=%s is no query of monitor: write sample=true, or leave it out", q.Get("sample"))
		}
	}
	return in, err
}

func (in *interest) wants(e *vtep.Event) bool {
	return in.dev == "" || in.dev == e.Entry.Link || e.Link != nil && in.dev == e.Link.Name
}

func objectSet(q url.Values) (vtep.EventSet, error) {
	const all = vtep.LinkEvents | vtep.FDBEvents | vtep.DropEvents | vtep.LocalEvents
	if q.Get("what") == "" {
		return all, nil
	}
	var set vtep.EventSet
	for word := range strings.SplitSeq(q.Get("what"), ",") {
		switch word {
		case api.ObjectLink:
			set |= vtep.LinkEvents
		case api.ObjectFDB:
			set |= vtep.FDBEvents
		case api.ObjectDrop:
			set |= vtep.DropEvents
		case api.ObjectLocal:
			set |= vtep.LocalEvents
		default:
			return 0, api.Invalidf("what=%s is unknown: write link, fdb, local and drop, or some of them, with commas between", word)
		}
	}
	return set, nil
}

// monitor writes a line for each event until the client or the daemon ends. It sends the
// answer's head once the subscription has begun.
func (s *Server) monitor(w http.ResponseWriter, r *http.Request) {
	in, err := interestOf(r.URL.Query())
	var sub *vtep.Subscription
	var samples *sampler
	if err == nil && in.sample {
		samples, err = s.newSampler(r.Context(), in.dev)
		defer samples.close()
	}
	if err == nil {
		sub, err = s.config.Subscribe(in.set)
	}
	if err != nil {
		s.reply(w, r, nil, err)
		return
	}
	defer sub.Close()
	out := http.NewResponseController(w)
	// The server's deadlines are for answers that end.
	err = errors.Join(out.SetReadDeadline(time.Time{}), out.SetWriteDeadline(time.Now().Add(lineTimeout)))
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	if err = errors.Join(err, out.Flush()); err == nil {
		err = s.stream(r.Context(), w, out, sub, &in, samples)
	}
	s.config.Log.Debug("control: monitor ended", "error", err)
}

// stream writes the events of sub that are wanted until ctx or the connection ends.
func (s *Server) stream(ctx context.Context, w http.ResponseWriter, out *http.ResponseController, sub *vtep.Subscription, in *interest, samples *sampler) error {
	lines := json.NewEncoder(w)
	put := func(e api.Event) error {
		if err := out.SetWriteDeadline(time.Now().Add(lineTimeout)); err != nil {
			return err
		}
		return lines.Encode(e)
	}
	if in.list {
		if err := s.list(put, in); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	var events []vtep.Event
	for {
		var lost uint64
		var err error
		if events, lost, err = sub.Read(ctx, events); err != nil {
			return err
		}
		now := time.Now()
		samples.look()
		for i := range events {
			if !in.wants(&events[i]) {
				continue
			}
			e := s.eventOf(now, &events[i])
			samples.fill(e.Drop)
			if err := put(e); err != nil {
				return err
			}
		}
		if lost > 0 {
			if err := put(api.Event{Time: now, Event: api.EventLost, Lost: lost}); err != nil {
				return err
			}
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
}

// eventOf is the API's form of an event.
func (s *Server) eventOf(now time.Time, e *vtep.Event) api.Event {
	out := api.Event{Time: now}
	entry := func() *api.FDBEntry {
		wire := entryOf(e.Entry)
		out.Reason = e.Reason.String()
		return &wire
	}
	switch e.Kind {
	case vtep.LinkChanged:
		out.Event, out.Object, out.Link = api.EventNew, api.ObjectLink, new(s.describe(*e.Link))
	case vtep.LinkRemoved:
		out.Event, out.Object, out.Link = api.EventDel, api.ObjectLink, new(linkOf(*e.Link))
	case vtep.EntryChanged:
		out.Event, out.Object, out.FDB = api.EventNew, api.ObjectFDB, entry()
	case vtep.EntryMoved:
		out.Event, out.Object, out.FDB, out.Old = api.EventMove, api.ObjectFDB, entry(), e.Old
	case vtep.EntryRemoved:
		out.Event, out.Object, out.FDB = api.EventDel, api.ObjectFDB, entry()
		if e.Reason == fdb.ReasonAged {
			out.FDB.State = api.Stale
		}
	case vtep.LocalSeen, vtep.LocalMoved, vtep.LocalGone, vtep.LocalContested:
		s.localEvent(&out, e)
	case vtep.L2Miss:
		out.Event, out.Object, out.FDB = api.EventMiss, api.ObjectFDB, &api.FDBEntry{Dev: e.Entry.Link, MAC: e.Entry.MAC.String(), State: api.Stale}
	case vtep.L3Miss:
		out.Event, out.Object, out.FDB = api.EventMiss, api.ObjectFDB, &api.FDBEntry{Dev: e.Entry.Link, Dst: e.Entry.Remote.Addr, State: api.Stale}
	case vtep.EntryHeld, vtep.EntryReleased:
		out.Event, out.Object, out.FDB = api.EventHold, api.ObjectFDB, new(entryOf(e.Entry))
		if e.Kind == vtep.EntryReleased {
			out.Event = api.EventRelease
		}
	case vtep.PolicySeen:
		out.Event, out.Object, out.Policy = api.EventPolicy, api.ObjectLink, &api.Policy{Dev: e.Entry.Link, ID: e.Policy}
	case vtep.TroubleBegan, vtep.TroubleEnded:
		out.Event, out.Object = api.EventTrouble, api.ObjectLink
		out.Trouble = &api.Trouble{
			Dev: e.Entry.Link, Dst: e.Entry.Remote.Addr, Port: e.Entry.Remote.Port,
			What: e.Trouble.String(), Count: e.Count, Now: e.Kind == vtep.TroubleBegan,
		}
	case vtep.Dropped:
		out.Event, out.Object, out.Drop = api.EventDrop, api.ObjectDrop, &api.Drop{Dev: e.Entry.Link, Reason: e.Drop.String(), Count: e.Count, VNI: (*uint32)(e.Entry.Remote.VNI)}
	}
	return out
}
