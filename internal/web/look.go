package web

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/uvtep/uvtep/internal/status"
)

// What an answer has at most. A search by name finds links beyond that.
const (
	mostLinks    = 200
	mostRemotes  = 2048 // of all links that an answer has
	mostFindings = 50
	// staleAfter is how long a look serves as the earlier one of two, which make rates.
	staleAfter = 30 * time.Second
)

// State is what the page shows. It is no API: it changes with the page.
type State struct {
	Version string `json:"version"`
	// Seconds is the time that rates are of; 0: nobody looked before, so that there are none.
	Seconds      float64          `json:"seconds"`
	Verdict      string           `json:"verdict"`
	Findings     []status.Finding `json:"findings"`
	MoreFindings int              `json:"more_findings,omitempty"`
	Addresses    int              `json:"addresses"`
	MaxAddress   int              `json:"maxaddress"`
	Rx           Flow             `json:"rx"` // of all links
	Tx           Flow             `json:"tx"`
	Drops        []status.Drop    `json:"drops"`     // of all links and of none
	AllLinks     int              `json:"all_links"` // how many there are
	Links        []Link           `json:"links"`
	MoreLinks    int              `json:"more_links,omitempty"` // that match, and are left out
	EVPN         *EVPN            `json:"evpn,omitempty"`
}

// Link is a link of the page.
type Link struct {
	Name        string           `json:"name"`
	ID          uint32           `json:"id"`
	Up          bool             `json:"up"`
	MTU         int              `json:"mtu"`
	MTUSource   string           `json:"mtu_source,omitempty"`
	Local       netip.Addr       `json:"local,omitzero"`
	DstPort     uint16           `json:"dstport"`
	Entries     int              `json:"entries"`
	MaxAddr     uint32           `json:"maxaddress"`
	Rx          Flow             `json:"rx"`
	Tx          Flow             `json:"tx"`
	Drops       []status.Drop    `json:"drops"`
	Offloads    []status.Offload `json:"offloads"`
	Remotes     []Remote         `json:"remotes"`
	MoreRemotes int              `json:"more_remotes,omitempty"`
}

// Remote is an outer address of a link. What is 0 is left out: there may be thousands.
type Remote struct {
	Dst        netip.Addr `json:"dst"`
	Configured bool       `json:"configured,omitzero"`
	Entries    int        `json:"entries,omitzero"`
	Heard      *uint32    `json:"heard,omitempty"` // seconds ago; nil: never
	Rx         Flow       `json:"rx,omitzero"`
	Tx         Flow       `json:"tx,omitzero"`
}

// Flow is one direction: what passed since the start, and a second at present.
type Flow struct {
	Packets   uint64  `json:"packets,omitzero"`
	Bytes     uint64  `json:"bytes,omitzero"`
	Dropped   uint64  `json:"dropped,omitzero"`
	PacketsPS float64 `json:"pps,omitzero"`
	BitsPS    float64 `json:"bps,omitzero"`
	DroppedPS float64 `json:"dps,omitzero"`
}

func flowOf(f status.Flow) Flow {
	tenth := func(v float64) float64 { return math.Round(10*v) / 10 }
	return Flow{f.Packets, f.Bytes, f.Dropped, tenth(f.PacketsPS), math.Round(f.BitsPS), tenth(f.DroppedPS)}
}

func (f *Flow) add(g status.Flow) {
	f.Packets, f.Bytes, f.Dropped = f.Packets+g.Packets, f.Bytes+g.Bytes, f.Dropped+g.Dropped
	f.PacketsPS, f.BitsPS, f.DroppedPS = f.PacketsPS+g.PacketsPS, f.BitsPS+g.BitsPS, f.DroppedPS+g.DroppedPS
}

// looks are what the source said lately.
type looks struct {
	source  Source
	evpn    func(context.Context) (*EVPN, error)
	version string

	mu     sync.Mutex // held while the source is asked: all who wait get that answer
	last   *status.Snapshot
	report *status.Report
	all    State  // without links
	plain  []byte // the answer to who filters nothing
	next   time.Time
	agent  agentState
}

// text is the answer of GET state.json, with the links whose name or VNI has the filter in it.
func (l *looks) text(ctx context.Context, filter string) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.look(ctx)
	if filter != "" {
		return json.Marshal(l.filtered(filter))
	}
	if l.plain == nil {
		var err error
		if l.plain, err = json.Marshal(l.filtered("")); err != nil {
			return nil, err
		}
	}
	return l.plain, nil
}

// names are the names of all links.
func (l *looks) names(ctx context.Context) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.look(ctx)
	names := make([]string, len(l.report.Links))
	for i := range l.report.Links {
		names[i] = l.report.Links[i].Name
	}
	return names
}

// look asks the source, unless it was asked a moment ago. l.mu is held.
func (l *looks) look(ctx context.Context) {
	begin := time.Now()
	if l.report != nil && begin.Before(l.next) {
		return
	}
	now := &status.Snapshot{At: begin, Version: l.version, Links: l.source.Links(mostRemotes), Stats: l.source.Stats()}
	before := l.last
	if before == nil || now.At.Sub(before.At) > staleAfter {
		before = now
	}
	l.report, l.last, l.plain = status.New(before, now), now, nil
	l.all = l.summary(now.At.Sub(before.At).Seconds())
	l.all.EVPN = l.agent.ask(ctx, l.evpn, now)
	l.next = begin.Add(max(lookEvery, lookShare*time.Since(begin)))
}

// summary is what the answer has but for links.
func (l *looks) summary(seconds float64) State {
	r := l.report
	s := State{
		Version: l.version, Seconds: seconds, Verdict: r.Verdict, Findings: r.Findings[:min(len(r.Findings), mostFindings)],
		Addresses: r.Addresses, MaxAddress: r.MaxAddress, AllLinks: len(r.Links), Drops: []status.Drop{}, Links: []Link{},
	}
	s.MoreFindings = len(r.Findings) - len(s.Findings)
	sums := make(map[string]status.Drop)
	count := func(drops []status.Drop) {
		for _, d := range drops {
			sum := sums[d.Reason]
			sums[d.Reason] = status.Drop{Reason: d.Reason, Count: sum.Count + d.Count, PS: sum.PS + d.PS}
		}
	}
	count(r.Drops)
	for i := range r.Links {
		s.Rx.add(r.Links[i].Rx)
		s.Tx.add(r.Links[i].Tx)
		count(r.Links[i].Drops)
	}
	for _, d := range sums {
		s.Drops = append(s.Drops, d)
	}
	slices.SortFunc(s.Drops, func(a, b status.Drop) int {
		return cmp.Or(cmp.Compare(b.PS, a.PS), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Reason, b.Reason))
	})
	return s
}

// filtered is the answer with the links that match.
func (l *looks) filtered(filter string) *State {
	s, room := l.all, mostRemotes
	for i := range l.report.Links {
		is := &l.report.Links[i]
		switch {
		case !strings.Contains(strings.ToLower(is.Name), strings.ToLower(filter)) && strconv.Itoa(int(is.ID)) != filter:
		case len(s.Links) == mostLinks:
			s.MoreLinks++
		default:
			s.Links = append(s.Links, linkOf(is, room))
			room -= len(s.Links[len(s.Links)-1].Remotes)
		}
	}
	return &s
}

// linkOf is a link of the page, with at most most remotes.
func linkOf(l *status.Link, most int) Link {
	out := Link{
		Name: l.Name, ID: l.ID, Up: l.Up, MTU: l.MTU, MTUSource: l.MTUSource, Local: l.Local, DstPort: l.DstPort, Entries: l.Entries, MaxAddr: l.MaxAddr,
		Rx: flowOf(l.Rx), Tx: flowOf(l.Tx), Drops: l.Drops, Offloads: l.Offloads, Remotes: []Remote{}, MoreRemotes: l.More,
	}
	for i := range l.Remotes {
		if i == most {
			out.MoreRemotes += len(l.Remotes) - i
			break
		}
		r := &l.Remotes[i]
		out.Remotes = append(out.Remotes, Remote{r.Dst, r.Configured, r.Entries, r.Heard, flowOf(r.Rx), flowOf(r.Tx)})
	}
	return out
}
