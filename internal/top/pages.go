package top

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/status"
)

// theLink is the link of the page; nil: it is gone.
func (m *Model) theLink() *status.Link {
	if m.report == nil {
		return nil
	}
	for i := range m.report.Links {
		if m.report.Links[i].Name == m.link {
			return &m.report.Links[i]
		}
	}
	return nil
}

// pageTop are the lines of a page above its entries, which fdbHeight counts, too.
func (m *Model) pageTop() []line {
	all := m.head()
	l := m.theLink()
	if l == nil {
		return append(all, styled(clean(m.link)+" is gone: esc leads back", bad))
	}
	if m.page == linkPage {
		return append(all, m.linkTop(l)...)
	}
	for i := range l.Remotes {
		if l.Remotes[i].Dst == m.dst {
			return append(all, m.remoteTop(l, &l.Remotes[i])...)
		}
	}
	return append(all, styled(m.dst.String()+" is no remote of "+clean(m.link)+" any more: esc leads back", bad))
}

func (m *Model) linkView() []line   { return m.pageBottom(m.pageTop()) }
func (m *Model) remoteView() []line { return m.pageBottom(m.pageTop()) }

// linkTop tells of a link.
func (m *Model) linkTop(l *status.Link) []line {
	head := line{}
	head.addStyled(clean(l.Name), strong)
	state, as := "  up", good
	if !l.Up {
		state, as = "  down", bad
	}
	head.addStyled(state, as)
	about := fmt.Sprintf("  vni %d  dstport %d", l.ID, l.DstPort)
	if l.Local.IsValid() {
		about += "  local " + l.Local.String()
	}
	about += fmt.Sprintf("  mtu %d", l.MTU)
	if l.MTUSource != "" {
		about += " (" + clean(l.MTUSource) + ")"
	}
	head.add(about)
	all := append([]line{{}, head}, m.flowLines(l.Name, &l.Rx, &l.Tx)...)
	all = append(all, m.offloadLine(l))
	const mostDrops = 4
	for i := range min(len(l.Drops), mostDrops) {
		d := drop{l.Name, l.Drops[i]}
		s := styled("drop "+d.Reason, d.style())
		s.add(fmt.Sprintf(" %s/s, %d since the start: %s", m.perSecond(d.PS), d.Count, status.AdviceOnDrop(d.Reason)))
		all = append(all, s)
	}
	if more := len(l.Drops) - mostDrops; more > 0 {
		all = append(all, styled(fmt.Sprintf("drops for %d reasons more: esc, then 3 lists all", more), faint))
	}
	return append(all, line{}, m.entriesLine(fmt.Sprintf("FDB %s", status.Limited(l.Entries, int(l.MaxAddr)))))
}

func (m *Model) offloadLine(l *status.Link) line {
	var on, off []string
	for _, o := range l.Offloads {
		switch {
		case o.On:
			on = append(on, o.Name)
		case o.Reason != "":
			off = append(off, o.Name+" ("+o.Reason+")")
		default:
			off = append(off, o.Name)
		}
	}
	s := "offloads " + strings.Join(on, " ")
	if len(on) == 0 {
		s = "offloads none"
	}
	if len(off) > 0 {
		s += "  not " + strings.Join(off, ", ")
	}
	return text(clean(s))
}

// remoteTop tells of a remote.
func (m *Model) remoteTop(l *status.Link, r *status.Remote) []line {
	head := line{}
	head.addStyled(r.Dst.String(), strong)
	origin := "  learned"
	if r.Configured {
		origin = "  configured"
	}
	head.add("  remote of " + clean(l.Name) + origin)
	if r.Heard == nil {
		head.addStyled("  never heard", warning)
	} else {
		head.add("  heard " + age(uint64(*r.Heard)) + " ago")
	}
	all := append([]line{{}, head}, m.flowLines(remoteKey(l.Name, r.Dst.String()), &r.Rx, &r.Tx)...)
	for _, t := range m.troubles(r) {
		as, when := plain, "was"
		if t.Now {
			as, when = bad, "is"
		}
		all = append(all, styled(fmt.Sprintf("trouble: it %s %s, by %d ICMP errors, which anybody can forge", when, clean(t.What), t.Count), as))
	}
	for i := range m.report.Findings {
		if f := &m.report.Findings[i]; f.Link == l.Name && strings.Contains(f.What, r.Dst.String()+" ") {
			all = append(all, styled(clean(f.What+": "+f.Do), bad))
		}
	}
	all = append(all, styled("uvtep ping "+r.Dst.String()+" dev "+clean(l.Name)+" --mtu-probe asks it layer by layer", faint))
	return append(all, line{}, m.entriesLine(fmt.Sprintf("FDB entries to it %d", r.Entries)))
}

func (m *Model) troubles(r *status.Remote) (all []api.Trouble) {
	if l := m.links[m.link]; l != nil {
		for _, t := range l.Trouble {
			if t.Dst == r.Dst {
				all = append(all, t)
			}
		}
	}
	return all
}

// flowLines are the rates, the counters and a picture of each direction.
func (m *Model) flowLines(key string, rx, tx *status.Flow) (all []line) {
	o := &m.options
	for _, d := range []struct {
		name string
		flow *status.Flow
		of   direction
	}{{"rx", rx, rxOf}, {"tx", tx, txOf}} {
		l := text(d.name + " " + left(m.rate(d.flow), 16, o))
		l.add(left(fmt.Sprintf(" %d packets, %sB, ", d.flow.Packets, status.Short(float64(d.flow.Bytes))), 26, o))
		as := plain
		if d.flow.DroppedPS > 0 {
			as = warning
		}
		l.addStyled(left(fmt.Sprintf("dropped %d (%s/s)", d.flow.Dropped, m.perSecond(d.flow.DroppedPS)), 18, o), as)
		l.add(" ")
		l.addStyled(m.history.spark(key, d.of, max(min(m.width-l.width(), mostSamples), 0), o), graph)
		all = append(all, l)
	}
	return all
}

// entriesLine stands above the entries.
func (m *Model) entriesLine(about string) line {
	l := styled(about, strong)
	e := &m.entries
	switch {
	case e.At.IsZero():
		l.add(", asking")
	case e.Err != nil:
		l.addStyled(": "+clean(e.Err.Error()), bad)
	case e.More:
		l.add(fmt.Sprintf(", %d of them listed: / with a whole MAC address or remote finds any", len(e.List)))
	default:
		l.add(fmt.Sprintf(", %d listed", len(e.List)))
	}
	m.addFilter(&l)
	return l
}

// fdbHeight is how many entries the page has place for.
func (m *Model) fdbHeight() int {
	const columnHeads, keys = 1, 1
	return max(m.height-len(m.pageTop())-columnHeads-keys, 1)
}

// pageBottom adds the entries and the keys.
func (m *Model) pageBottom(all []line) []line {
	o, height := &m.options, m.height-len(all)-2
	if height > 0 {
		all = append(all, styled(left("MAC", 17, o)+" "+left("DST", m.dstWidth(), o)+right("USED", 6)+"  STATE", header))
		m.fdbScroll = max(min(m.fdbScroll, len(m.entries.List)-height), 0)
		for i := m.fdbScroll; i < min(m.fdbScroll+height, len(m.entries.List)); i++ {
			all = append(all, m.entryLine(&m.entries.List[i]))
		}
	}
	for len(all) < m.height-1 {
		all = append(all, line{})
	}
	return append(all[:m.height-1], m.keyLine("esc back  / filter  up, down, pgup, pgdn scroll  space pauses  ? help  q quits"))
}

func (m *Model) dstWidth() int { return min(max(m.width-56, 15), 45) }

func (m *Model) entryLine(e *api.FDBEntry) line {
	dst := "here"
	if e.Dst.IsValid() {
		dst = e.Dst.String()
	}
	words := []string{e.State}
	if e.Port != 0 {
		words = append(words, "port "+strconv.Itoa(int(e.Port)))
	}
	if e.VNI != nil {
		words = append(words, "vni "+strconv.FormatUint(uint64(*e.VNI), 10))
	}
	for _, flag := range []struct {
		set  bool
		word string
	}{{e.Via != "", "via " + clean(e.Via)}, {e.ExternLearn, "extern_learn"}, {e.Router, "router"}, {e.Sticky, "sticky"}, {e.NoFlood, "noflood"}, {e.Owner != "", "owner " + clean(e.Owner)}} {
		if flag.set {
			words = append(words, flag.word)
		}
	}
	l := text(e.MAC + " " + tail(dst, m.dstWidth(), &m.options) + right(age(e.Used), 6) + "  " + strings.TrimSpace(strings.Join(words, " ")))
	if e.MAC == "00:00:00:00:00:00" {
		l.spans[0].style = faint
	}
	return l
}
