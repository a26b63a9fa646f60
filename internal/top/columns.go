package top

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/uvtep/uvtep/internal/status"
)

// columns are the widths of a list's columns.
type columns struct {
	name, spark int
	fdb         bool // wide enough for that column
}

const (
	leastName  = 16
	usualName  = 22
	mostName   = 45 // of an IPv6 address in full, and its link
	usualSpark = 7
	mostSpark  = 40
	fixedCells = 44 // of all columns but the name and the two pictures
	fdbCells   = 12
	fdbFrom    = 100
)

// columns shares the width out: names and pictures get what is left, a name first.
func (m *Model) columns() (c columns) {
	rest := m.width - fixedCells
	if c.fdb = m.width >= fdbFrom; c.fdb {
		rest -= fdbCells
	}
	spare := max(rest-usualName-2*usualSpark, 0)
	c.name = max(min(rest, usualName+spare/3, mostName), leastName)
	c.spark = max(min((rest-c.name)/2, mostSpark), 0)
	return c
}

// header is the line above a list.
func (c *columns) header(t tab, o *Options) line {
	var s string
	switch t {
	case dropsTab:
		s = " " + left("REASON", usualName, o) + " " + left("WHERE", 15, o) + " " + right("PER S", 7) + " " + right("TOTAL", 12)
	case findingsTab:
		s = " " + left("WHERE", 15, o) + " WHAT IS WRONG"
	default:
		name := "LINK, REMOTE"
		if t == remotesTab {
			name = "REMOTE, LINK"
		}
		picture := strings.Repeat(" ", c.spark)
		s = " " + left(name, c.name, o) + " HEARD RX p/s RX b/s " + picture + " TX p/s TX b/s " + picture + " DROP/s"
		if c.fdb {
			s += right("FDB", fdbCells)
		}
	}
	return styled(s, header)
}

// rowLine is a row of a list. Its first cell is the cursor's.
func (m *Model) rowLine(r *row, c *columns) line {
	o := &m.options
	switch {
	case r.drop != nil:
		return m.dropRow(r.drop)
	case r.finding != nil:
		where := r.finding.Link
		if where == "" {
			where = "daemon"
		}
		l := text(" ")
		l.add(left(clean(where), 15, o) + " ")
		l.addStyled(clean(r.finding.What), warning)
		return l
	case r.more > 0:
		return styled(fmt.Sprintf("   and %d remotes more, which have no counters", r.more), faint)
	case r.remote != nil:
		return m.remoteRow(r, c)
	}
	l := text(" ")
	l.addStyled(m.linkName(r.link, c.name), strong)
	state, as := "up", good
	if !r.link.Up {
		state, as = "down", bad
	}
	l.add(" ")
	l.addStyled(right(state, 5), as)
	m.addFlows(&l, c, r.key, &r.link.Rx, &r.link.Tx, dropsPS(r.link.Drops))
	if c.fdb {
		l.add(right(status.Limited(r.link.Entries, int(r.link.MaxAddr)), fdbCells))
	}
	return l
}

// linkName is a link's name with its VNI.
func (m *Model) linkName(l *status.Link, width int) string {
	vni := " vni " + strconv.FormatUint(uint64(l.ID), 10)
	name := clean(l.Name)
	if len(name)+len(vni) > width {
		vni = vni[len(" vni"):]
	}
	return left(name+vni, width, &m.options)
}

func (m *Model) remoteRow(r *row, c *columns) line {
	l, dst := text(" "), r.remote.Dst.String()
	switch {
	case m.tab == allTab:
		l.add("  " + tail(dst, c.name-2, &m.options))
	case len(dst)+1+len(r.link.Name) <= c.name:
		l.add(left(dst+" "+clean(r.link.Name), c.name, &m.options))
	default:
		l.add(tail(dst, c.name, &m.options))
	}
	heard := "never"
	if r.remote.Heard != nil {
		heard = age(uint64(*r.remote.Heard))
	}
	l.add(" " + right(heard, 5))
	m.addFlows(&l, c, r.key, &r.remote.Rx, &r.remote.Tx, r.remote.Rx.DroppedPS+r.remote.Tx.DroppedPS)
	if c.fdb {
		l.add(right(strconv.Itoa(r.remote.Entries), fdbCells))
	}
	return l
}

// addFlows adds the rates of both directions and the drops.
func (m *Model) addFlows(l *line, c *columns, key string, rx, tx *status.Flow, drops float64) {
	for _, d := range []struct {
		flow *status.Flow
		of   direction
	}{{rx, rxOf}, {tx, txOf}} {
		l.add(" " + right(m.perSecond(d.flow.PacketsPS), 6) + " " + right(m.perSecond(d.flow.BitsPS), 6) + " ")
		l.addStyled(m.history.spark(key, d.of, c.spark, &m.options), graph)
	}
	as := plain
	if drops > 0 {
		as = warning
	}
	l.addStyled(" "+right(m.perSecond(drops), 6), as)
}

// dropRow is a drop in their list, dropLine one below another list.
func (m *Model) dropRow(d *drop) line {
	o := &m.options
	l := text(" ")
	l.addStyled(left(d.Reason, usualName, o), d.style())
	l.add(" " + left(clean(d.place()), 15, o) + " " + right(m.perSecond(d.PS), 7) + " " + right(strconv.FormatUint(d.Count, 10), 12) + " ")
	l.addStyled(m.history.spark(dropKey(d.where, d.Reason), dropsIn, max(min(m.width-61, mostSpark), 0), o), graph)
	return l
}

func (m *Model) dropLine(d *drop, c *columns) line {
	o := &m.options
	l := text(" ")
	l.addStyled(left(d.Reason, c.name, o), d.style())
	l.add("       " + left(clean(d.place()), 15, o) + " " + right(m.perSecond(d.PS), 8) + " " + right(strconv.FormatUint(d.Count, 10), 10) + " ")
	l.addStyled(m.history.spark(dropKey(d.where, d.Reason), dropsIn, max(min(m.width-c.name-45, mostSpark), 0), o), graph)
	return l
}

// place is where a drop was: what belongs to no link is the daemon's.
func (d *drop) place() string {
	if d.where == "" {
		return "no link"
	}
	return d.where
}

// style tells what is dropped now from what was.
func (d *drop) style() style {
	if d.PS > 0 {
		return warning
	}
	return plain
}

// age is a number of seconds in five characters.
func age(s uint64) string {
	switch {
	case s < 100:
		return strconv.FormatUint(s, 10) + "s"
	case s < 100*60:
		return strconv.FormatUint(s/60, 10) + "m"
	case s < 100*3600:
		return strconv.FormatUint(s/3600, 10) + "h"
	}
	return strconv.FormatUint(s/86400, 10) + "d"
}
