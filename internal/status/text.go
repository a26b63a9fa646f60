package status

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// mostShown is how many remotes of a link the text has: a screen. JSON has all.
const mostShown = 8

// WriteText writes the report for people: a screen of 80 columns. The last line is the
// verdict, with what to do first.
func (r *Report) WriteText(to io.Writer) error {
	w := bufio.NewWriter(to)
	fmt.Fprintf(w, "uvtep %s  links %d  addresses %s\n", r.Version, len(r.Links), Limited(r.Addresses, r.MaxAddress))
	for i := range r.Links {
		r.Links[i].write(w)
	}
	writeDrops(w, "", r.Drops)
	if r.EVPN != nil {
		r.EVPN.write(w)
	}
	for i, f := range r.Findings {
		if i > 0 {
			fmt.Fprintf(w, "also: %s\n", f)
		}
	}
	if len(r.Findings) == 0 {
		fmt.Fprintln(w, "healthy: nothing is to be done")
	} else {
		fmt.Fprintf(w, "degraded: %s\n", r.Findings[0])
	}
	return w.Flush()
}

// String is the finding in one line.
func (f Finding) String() string {
	text := f.What + ": " + f.Do
	if f.Link != "" {
		text = f.Link + ": " + text
	}
	return text
}

func (l *Link) write(w io.Writer) {
	state := "down"
	if l.Up {
		state = "up"
	}
	fmt.Fprintf(w, "%s  %s  id %d  dstport %d", l.Name, state, l.ID, l.DstPort)
	if l.Local.IsValid() {
		fmt.Fprintf(w, "  local %s", l.Local)
	}
	fmt.Fprintf(w, "  mtu %d", l.MTU)
	if l.MTUSource != "" {
		fmt.Fprintf(w, " (%s)", l.MTUSource)
	}
	fmt.Fprintf(w, "  fdb %s\n", Limited(l.Entries, int(l.MaxAddr)))
	fmt.Fprintf(w, "  %-24s %-28s %s\n", "", "rx "+l.Rx.String(), "tx "+l.Tx.String())
	for i := range l.Remotes {
		if i == mostShown {
			fmt.Fprintf(w, "  and %d remotes more: uvtep -s -j link show %s\n", len(l.Remotes)-i+l.More, l.Name)
			break
		}
		l.Remotes[i].write(w)
	}
	writeDrops(w, "  ", l.Drops)
	var on, off []string
	for _, o := range l.Offloads {
		if o.On {
			on = append(on, o.Name)
			continue
		}
		text := o.Name
		if o.Reason != "" {
			text += " (" + o.Reason + ")"
		}
		off = append(off, text)
	}
	if len(on) == 0 {
		on = []string{"none"}
	}
	fmt.Fprintf(w, "  offloads %s", strings.Join(on, " "))
	if len(off) > 0 {
		fmt.Fprintf(w, "  not %s", strings.Join(off, ", "))
	}
	fmt.Fprintln(w)
}

func (r *Remote) write(w io.Writer) {
	heard := "never heard"
	if r.Heard != nil {
		heard = fmt.Sprintf("heard %ds ago", *r.Heard)
	}
	fmt.Fprintf(w, "  %-24s %-28s %-28s fdb %d  %s", r.Dst, "rx "+r.Rx.String(), "tx "+r.Tx.String(), r.Entries, heard)
	if n := r.Rx.Dropped + r.Tx.Dropped; n > 0 {
		fmt.Fprintf(w, "  dropped %d", n)
	}
	fmt.Fprintln(w)
}

func writeDrops(w io.Writer, indent string, drops []Drop) {
	for _, d := range drops {
		fmt.Fprintf(w, "%sdrop %s %d", indent, d.Reason, d.Count)
		if d.PS > 0 {
			fmt.Fprintf(w, " (%s/s now)", Short(d.PS))
		}
		fmt.Fprintln(w)
	}
}

// String is the present rate.
func (f Flow) String() string { return Short(f.PacketsPS) + "p/s " + Short(f.BitsPS) + "b/s" }

// Short is a number in a few characters: 999, 1.2k, 34M.
func Short(v float64) string {
	unit := ""
	for _, next := range []string{"k", "M", "G", "T"} {
		if v < 1000 {
			break
		}
		v, unit = v/1000, next
	}
	if v < 10 && v != float64(int(v)) {
		return strconv.FormatFloat(v, 'f', 1, 64) + unit
	}
	return strconv.FormatFloat(v, 'f', 0, 64) + unit
}

// Limited is a number with its limit, where there is one.
func Limited(n, limit int) string {
	if limit == 0 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%d/%d", n, limit)
}
