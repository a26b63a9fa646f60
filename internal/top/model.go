package top

import (
	"net/netip"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/status"
)

// Options are what does not change while top runs.
type Options struct {
	Interval time.Duration // between looks
	Colour   bool
	Unicode  bool // else ASCII alone
}

func (o *Options) ellipsis() string {
	if o.Unicode {
		return "…"
	}
	return "~"
}

// bars are the pictures of rates, that of 0 first.
func (o *Options) bars() string {
	if o.Unicode {
		return "▁▂▃▄▅▆▇█"
	}
	return "_.-:=+*#"
}

func (o *Options) cursor() string {
	if o.Unicode {
		return "▸"
	}
	return ">"
}

// Look is what a daemon said, or why it said nothing.
type Look struct {
	status.Snapshot
	Err error // nothing but At is of use then
}

// page is what fills the screen.
type page uint8

const (
	lists page = iota
	linkPage
	remotePage
	helpPage
)

// tab is a list.
type tab uint8

const (
	allTab tab = iota // links, each with its remotes
	remotesTab
	dropsTab
	findingsTab
	tabs // how many there are
)

func (t tab) String() string { return [...]string{"all", "remotes", "drops", "findings"}[t] }

// Model is what top knows and where its user is. Its methods are for one goroutine.
type Model struct {
	options       Options
	width, height int

	now     *status.Snapshot // nil: none since the last failure
	links   map[string]*api.Link
	report  *status.Report
	rated   bool // the report compares two looks
	total   totals
	evpn    *status.EVPN
	history history
	looked  time.Time // when the report was made
	err     error     // of the latest look
	since   time.Time // the first failure

	page, behind page // behind: the one that help covers
	tab          tab
	sort         sortKey
	reversed     bool
	paused       bool
	rows         []row
	chosen       string // the key of the row with the cursor; "": the first row
	scroll       int    // how many rows are above the screen
	filter       string
	typing       bool // the filter is being typed

	link      string     // of linkPage and remotePage
	dst       netip.Addr // of remotePage
	fdbFilter string
	fdbScroll int
	entries   Entries
}

// New is a model for a screen of 80x24 until Resize says otherwise.
func New(o Options) *Model {
	return &Model{options: o, width: 80, height: 24, history: history{of: make(map[string]*series)}}
}

// Options are those of New.
func (m *Model) Options() *Options { return &m.options }

// Rated reports whether the rates are known: that takes two looks, one after the other.
func (m *Model) Rated() bool { return m.rated && m.err == nil }

// Resize tells the size of the terminal.
func (m *Model) Resize(width, height int) { m.width, m.height = width, height }

// totals are the rates of all links.
type totals struct {
	rx, tx  status.Flow
	dropsPS float64
	remotes int
}

func totalsOf(r *status.Report) (t totals) {
	for i := range r.Links {
		l := &r.Links[i]
		t.rx.PacketsPS += l.Rx.PacketsPS
		t.rx.BitsPS += l.Rx.BitsPS
		t.tx.PacketsPS += l.Tx.PacketsPS
		t.tx.BitsPS += l.Tx.BitsPS
		t.remotes += len(l.Remotes) + l.More
	}
	for _, d := range dropsOf(r) {
		t.dropsPS += d.PS
	}
	return t
}

func dropsPS(drops []status.Drop) (sum float64) {
	for _, d := range drops {
		sum += d.PS
	}
	return sum
}

// Look takes a look at the daemon.
func (m *Model) Look(l Look) {
	if l.Err != nil {
		if m.err == nil {
			m.since = l.At
			m.history.gap()
		}
		m.err, m.now, m.evpn = l.Err, nil, nil // what comes after it may be another daemon
		return
	}
	m.err, m.evpn = nil, l.EVPN
	before := m.now
	m.now = &l.Snapshot
	if m.paused && m.report != nil {
		return
	}
	m.rated = before != nil
	if before == nil {
		before = m.now
	}
	m.report, m.looked = status.New(before, m.now), l.At
	m.total = totalsOf(m.report)
	m.links = make(map[string]*api.Link, len(l.Links))
	for i := range l.Links {
		m.links[l.Links[i].Netdev.Name] = &l.Links[i]
	}
	if m.rated {
		m.history.add(m.report, &m.total)
	}
	m.arrange()
}
