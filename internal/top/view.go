package top

import (
	"fmt"
	"strings"

	"github.com/uvtep/uvtep/internal/status"
)

// What a screen needs at least: less than that shows nothing of use.
const (
	leastWidth  = 40
	leastHeight = 8
	// panelHeight is the screen's height from which the lists of links and remotes have the
	// drops below them.
	panelHeight = 18
)

// View draws the screen: as many lines as it has, each as wide as it is.
func (m *Model) View() string {
	if m.width < leastWidth || m.height < leastHeight {
		return fmt.Sprintf("uvtep top needs %dx%d", leastWidth, leastHeight)
	}
	var all []line
	switch m.page {
	case helpPage:
		all = m.help()
	case linkPage:
		all = m.linkView()
	case remotePage:
		all = m.remoteView()
	default:
		all = m.listView()
	}
	var b strings.Builder
	for i := range m.height {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i < len(all) {
			all[i].draw(&b, m.width, &m.options)
		}
	}
	return b.String()
}

// listView is a list with what stands above and below it.
func (m *Model) listView() []line {
	all := append(m.head(), m.tabLine())
	if m.report == nil {
		return m.bottom(append(all, text("the first look at the daemon is under way")))
	}
	c := m.columns()
	all = append(all, c.header(m.tab, &m.options))
	all = append(all, m.visible()...)
	for len(all) < m.height-1-m.toldRows()-m.panelRows() {
		all = append(all, line{})
	}
	all = append(all, m.panel()...)
	return m.bottom(all)
}

// listHeight is how many rows of the list are on the screen.
func (m *Model) listHeight() int {
	const tabLine, header, keys = 1, 1, 1
	return max(m.height-len(m.head())-tabLine-header-m.panelRows()-m.toldRows()-keys, 1)
}

// visible are the rows on the screen, among them that with the cursor.
func (m *Model) visible() (all []line) {
	height, at := m.listHeight(), m.at()
	m.scroll = max(min(m.scroll, at, len(m.rows)-height), at-height+1, 0)
	c := m.columns()
	for i := m.scroll; i < min(m.scroll+height, len(m.rows)); i++ {
		l := m.rowLine(&m.rows[i], &c)
		if i == at {
			l.chosen = true
			l.spans[0].text = m.options.cursor()
		}
		all = append(all, l)
	}
	if len(m.rows) == 0 {
		all = append(all, styled(m.nothing(), faint))
	}
	return all
}

// nothing says why a list is empty.
func (m *Model) nothing() string {
	switch {
	case m.filter != "":
		return " nothing here has " + m.filter + ": esc takes the filter away"
	case m.tab == dropsTab:
		return " nothing was dropped since the start"
	case m.tab == findingsTab:
		return " nothing is wrong"
	case len(m.report.Links) > 0:
		return " no link has a remote"
	}
	return " the daemon has no link: uvtep link add vxlan0 id 42 local IP remote IP"
}

// head are the lines on top of every screen: the daemon, its rates, and the EVPN agent's sessions.
func (m *Model) head() []line {
	all := []line{m.daemonLine(), m.rateLine()}
	if m.evpn != nil {
		all = append(all, evpnLine(m.evpn))
	}
	return all
}

// daemonLine says which daemon it is, and at the right what the screen is of, as far as there is place.
func (m *Model) daemonLine() line {
	l := styled("uvtep", strong)
	if r := m.report; r != nil {
		l.add(" " + clean(r.Version))
		l.add(fmt.Sprintf("  links %d  remotes %d  addresses %s", len(r.Links), m.total.remotes, status.Limited(r.Addresses, r.MaxAddress)))
	}
	end := styled("", warning)
	if m.paused {
		end.addStyled("paused", warning)
	}
	for _, s := range []string{m.looked.Format("  15:04:05"), "  every " + m.options.Interval.String()} {
		if l.width()+end.width()+len(s)+1 <= m.width {
			end.add(s)
		}
	}
	l.add(strings.Repeat(" ", max(m.width-l.width()-end.width(), 2)))
	l.spans = append(l.spans, end.spans...)
	return l
}

// rateLine has the rates of all links, or why there are none.
func (m *Model) rateLine() line {
	if m.err != nil {
		return styled("no answer since "+m.since.Format("15:04:05")+": what is below is from before", bad)
	}
	if m.report == nil {
		return line{}
	}
	const widest = 20
	o, t, width := &m.options, &m.total, max(min((m.width-62)/3, widest), 0)
	l := text("rx ")
	l.add(left(m.rate(&t.rx), 15, o) + " ")
	l.addStyled(m.history.spark(totalKey, rxOf, width, o), graph)
	l.add("  tx " + left(m.rate(&t.tx), 15, o) + " ")
	l.addStyled(m.history.spark(totalKey, txOf, width, o), graph)
	drops := "  drops " + left(m.perSecond(t.dropsPS)+"/s", 6, o) + " "
	if t.dropsPS > 0 {
		l.addStyled(drops, warning)
	} else {
		l.add(drops)
	}
	l.addStyled(m.history.spark(totalKey, dropsIn, width, o), graph)
	return l
}

// rate is a flow's, once there were two looks.
func (m *Model) rate(f *status.Flow) string {
	if !m.rated {
		return "-"
	}
	return f.String()
}

func (m *Model) perSecond(v float64) string {
	if !m.rated {
		return "-"
	}
	return status.Short(v)
}

// evpnLine is the agent's sessions.
func evpnLine(e *status.EVPN) line {
	if e.Err != nil {
		return styled("evpn: "+clean(e.Err.Error()), bad)
	}
	up, routes := e.Count()
	note, as := "", plain
	for i := range e.Neighbours {
		if n := &e.Neighbours[i]; !n.Established() {
			note = fmt.Sprintf("; %s is %s", n.Address, clean(n.State))
			if n.LastError != "" {
				note += ": " + clean(n.LastError)
			}
			break
		}
	}
	if note != "" || up == 0 {
		as = bad
	}
	return styled(fmt.Sprintf("evpn %d of %d neighbours established, %d routes%s", up, len(e.Neighbours), routes, note), as)
}

// tabLine names the lists, the sort key and the filter.
func (m *Model) tabLine() line {
	l := line{}
	for t := range tabs {
		name := t.String()
		if t == findingsTab && m.report != nil && len(m.report.Findings) > 0 {
			name += fmt.Sprintf(" %d", len(m.report.Findings))
		}
		if t == m.tab {
			l.addStyled("["+name+"]", strong)
		} else {
			l.addStyled(" "+name+" ", faint)
		}
		l.add(" ")
	}
	if m.tab == allTab || m.tab == remotesTab {
		l.add(" by " + m.sort.String())
		if m.reversed {
			l.add(", reversed")
		}
	}
	m.addFilter(&l)
	return l
}

// addFilter adds the filter, where there is one or it is typed.
func (m *Model) addFilter(l *line) {
	f := *m.theFilter()
	switch {
	case m.typing:
		l.add("  ")
		l.addStyled("filter: "+f+"_", warning)
	case f != "":
		l.add("  ")
		l.addStyled("filter: "+f, warning)
	}
}

// panelRows is how many lines the drops below a list take.
func (m *Model) panelRows() int {
	switch {
	case m.height < panelHeight || m.tab == dropsTab || m.tab == findingsTab:
		return 0
	case m.height < 2*panelHeight:
		return 5
	}
	return 9
}

// panel are the drops by reason, below a list of links or remotes.
func (m *Model) panel() []line {
	n := m.panelRows()
	if n == 0 {
		return nil
	}
	c, drops := m.columns(), dropsOf(m.report)
	head := " " + left("DROPS BY REASON", c.name, &m.options) + "       " + left("WHERE", 15, &m.options) + " " + right("PER S", 8) + " " + right("TOTAL", 10)
	if more := len(drops) - (n - 1); more > 0 {
		head += fmt.Sprintf(" %d more: 3", more)
	}
	all := []line{styled(head, header)}
	if len(drops) == 0 {
		all = append(all, styled(" nothing was dropped since the start", faint))
	}
	for i := range min(len(drops), n-1) {
		all = append(all, m.dropLine(&drops[i], &c))
	}
	for len(all) < n {
		all = append(all, line{})
	}
	return all
}

// bottom adds the lines at the foot of a list: what is to be done, and the keys.
func (m *Model) bottom(all []line) []line {
	for len(all) < m.height-1-m.toldRows() {
		all = append(all, line{})
	}
	all = all[:m.height-1-m.toldRows()]
	all = append(all, m.fit(m.told())...)
	return append(all, m.keyLine("? help  / filter  tab lists  s sort  enter opens  space pauses  q quits"))
}

func (m *Model) keyLine(keys string) line {
	if m.typing {
		keys = "enter keeps the filter  esc takes it away"
	}
	return styled(keys, faint)
}

// told is the text at the foot: why there is no answer; of the row with the cursor where the list
// is of drops or findings; else the verdict.
func (m *Model) told() (string, style) {
	if m.err != nil {
		return "asking again: " + clean(m.err.Error()), bad
	}
	if m.report == nil {
		return "", plain
	}
	if len(m.rows) > 0 {
		switch r := &m.rows[m.at()]; {
		case r.drop != nil:
			see := "uvtep capture --drops shows them"
			if m.links[r.drop.where] != nil {
				see = "uvtep capture dev " + clean(r.drop.where) + " --drops shows them"
			}
			return r.drop.Reason + ": " + status.AdviceOnDrop(r.drop.Reason) + "; " + see, plain
		case r.finding != nil:
			return clean(r.finding.String()), bad
		}
	}
	if f := m.report.Findings; len(f) > 0 {
		return "degraded: " + clean(f[0].String()), bad
	}
	return "healthy: nothing is to be done", good
}

// toldRows is how many lines that text may take.
func (m *Model) toldRows() int {
	if m.panelRows() == 0 && m.height >= panelHeight {
		return 4
	}
	return 2
}

// fit breaks a text into the lines that it may take.
func (m *Model) fit(s string, as style) []line {
	n := m.toldRows()
	all, parts := make([]line, n), wrap(s, m.width)
	for i := range min(len(parts), n) {
		all[i] = styled(parts[i], as)
	}
	if len(parts) > n {
		all[n-1] = styled(left(parts[n-1]+" "+parts[n], m.width, &m.options), as)
	}
	return all
}
