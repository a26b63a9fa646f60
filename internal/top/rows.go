package top

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/uvtep/uvtep/internal/status"
)

// row is a line of a list. Its key stays the same from look to look, so that the cursor stays
// where it is while lines move.
type row struct {
	key     string
	link    *status.Link
	remote  *status.Remote  // nil: the row is the link's
	more    int             // remotes that the daemon does not tell of, in a row of their own
	drop    *drop           // in dropsTab
	finding *status.Finding // in findingsTab
}

// drop is a reason with where it dropped: a link, a trunk port, or "" for what belongs to none.
type drop struct {
	where string
	status.Drop
}

// dropsOf are all drops of a report, those of the present first, then the most frequent.
func dropsOf(r *status.Report) (all []drop) {
	put := func(where string, drops []status.Drop) {
		for _, d := range drops {
			all = append(all, drop{where, d})
		}
	}
	put("", r.Drops)
	for i := range r.Links {
		put(r.Links[i].Name, r.Links[i].Drops)
	}
	for i := range r.Ports {
		put(r.Ports[i].Name, r.Ports[i].Drops)
	}
	slices.SortStableFunc(all, func(a, b drop) int {
		return cmp.Or(cmp.Compare(b.PS, a.PS), cmp.Compare(b.Count, a.Count))
	})
	return all
}

// sortKey is what links and remotes are sorted by. The largest comes first, but of names.
type sortKey uint8

const (
	byRate sortKey = iota
	byRx
	byTx
	byPackets
	byDrops
	byFDB
	bySilence
	byName
	sortKeys // how many there are
)

func (k sortKey) String() string {
	return [...]string{"rate", "rx", "tx", "packets", "drops", "fdb", "silence", "name"}[k]
}

// measure is what k compares. heard is nil for a link, and for a remote that was never heard.
func (k sortKey) measure(rx, tx *status.Flow, drops float64, entries int, heard *uint32) float64 {
	switch k {
	case byRate:
		return rx.BitsPS + tx.BitsPS
	case byRx:
		return rx.BitsPS
	case byTx:
		return tx.BitsPS
	case byPackets:
		return rx.PacketsPS + tx.PacketsPS
	case byDrops:
		return drops
	case byFDB:
		return float64(entries)
	case bySilence:
		if heard == nil {
			return 1 << 32
		}
		return float64(*heard)
	default: // names are compared otherwise
		return 0
	}
}

func (m *Model) compareLinks(a, b *status.Link) int {
	if m.sort == byName {
		return strings.Compare(a.Name, b.Name)
	}
	of := func(l *status.Link) float64 { return m.sort.measure(&l.Rx, &l.Tx, dropsPS(l.Drops), l.Entries, nil) }
	return cmp.Compare(of(b), of(a))
}

func (m *Model) compareRemotes(a, b *status.Remote) int {
	if m.sort == byName {
		return a.Dst.Compare(b.Dst)
	}
	of := func(r *status.Remote) float64 {
		return m.sort.measure(&r.Rx, &r.Tx, r.Rx.DroppedPS+r.Tx.DroppedPS, r.Entries, r.Heard)
	}
	return cmp.Compare(of(b), of(a))
}

// direct turns an order round where the user said so.
func (m *Model) direct(order int) int {
	if m.reversed {
		return -order
	}
	return order
}

// arrange makes the rows of the list.
func (m *Model) arrange() {
	m.rows = nil
	if m.report == nil {
		return
	}
	switch m.tab {
	case allTab:
		m.arrangeAll()
	case remotesTab:
		m.arrangeRemotes()
	case dropsTab:
		for _, d := range dropsOf(m.report) {
			if m.passes(d.Reason, d.where) {
				m.rows = append(m.rows, row{key: dropKey(d.where, d.Reason), drop: &d})
			}
		}
	default: // findingsTab
		for i := range m.report.Findings {
			f := &m.report.Findings[i]
			if m.passes(f.String()) {
				m.rows = append(m.rows, row{key: f.Link + "/" + strconv.Itoa(i), finding: f})
			}
		}
	}
}

func (m *Model) arrangeAll() {
	links := pointers(m.report.Links)
	slices.SortStableFunc(links, func(a, b *status.Link) int { return m.direct(m.compareLinks(a, b)) })
	for _, l := range links {
		own := m.passesLink(l)
		remotes := slices.DeleteFunc(pointers(l.Remotes), func(r *status.Remote) bool { return !own && !m.passes(r.Dst.String()) })
		if !own && len(remotes) == 0 {
			continue
		}
		m.rows = append(m.rows, row{key: l.Name, link: l})
		slices.SortStableFunc(remotes, func(a, b *status.Remote) int { return m.direct(m.compareRemotes(a, b)) })
		for _, r := range remotes {
			m.rows = append(m.rows, row{key: remoteKey(l.Name, r.Dst.String()), link: l, remote: r})
		}
		if l.More > 0 && own {
			m.rows = append(m.rows, row{key: remoteKey(l.Name, "more"), link: l, more: l.More})
		}
	}
}

func (m *Model) arrangeRemotes() {
	for i := range m.report.Links {
		l := &m.report.Links[i]
		own := m.passesLink(l)
		for j := range l.Remotes {
			if r := &l.Remotes[j]; own || m.passes(r.Dst.String()) {
				m.rows = append(m.rows, row{key: remoteKey(l.Name, r.Dst.String()), link: l, remote: r})
			}
		}
	}
	slices.SortStableFunc(m.rows, func(a, b row) int { return m.direct(m.compareRemotes(a.remote, b.remote)) })
}

func pointers[T any](all []T) []*T {
	out := make([]*T, len(all))
	for i := range all {
		out[i] = &all[i]
	}
	return out
}

// passes reports whether one of the texts has what the filter says.
func (m *Model) passes(texts ...string) bool {
	want := strings.ToLower(m.filter)
	return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(strings.ToLower(s), want) })
}

func (m *Model) passesLink(l *status.Link) bool {
	return m.passes(l.Name, "vni "+strconv.FormatUint(uint64(l.ID), 10), l.Local.String())
}

// at is the index of the row with the cursor.
func (m *Model) at() int {
	return max(slices.IndexFunc(m.rows, func(r row) bool { return r.key == m.chosen }), 0)
}
