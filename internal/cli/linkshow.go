package cli

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/words"
)

// showLinks prints links as `ip link show` does (print_linkinfo in
// ip/ipaddress.c), with the daemon's counters for -s and lines of uvtep's own
// for what the kernel does not have.
func (a *app) showLinks(links []api.Link) error {
	if a.json {
		return a.showLinksJSON(links)
	}
	w := bufio.NewWriter(a.out)
	for i := range links {
		switch {
		case a.brief:
			d := &links[i].Netdev
			fmt.Fprintf(w, "%-16s %-14s %s <%s> \n", d.Name, d.OperState, d.MAC, strings.Join(d.Flags, ","))
		case a.oneline: // as iproute2: a backslash for each line's end but the last
			var b strings.Builder
			a.showLink(&b, &links[i])
			fmt.Fprintln(w, strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\n", `\`))
		default:
			a.showLink(w, &links[i])
		}
	}
	return w.Flush()
}

func (a *app) showLink(w io.Writer, l *api.Link) {
	d := &l.Netdev
	name := d.Name
	if l.Spec.Trunk != nil {
		name += "@" + *l.Spec.Trunk // as ip shows a VLAN's device
	}
	fmt.Fprintf(w, "%d: %s: <%s> mtu %d ", d.Index, name, strings.Join(d.Flags, ","), d.MTU)
	word(w, "qdisc", d.Qdisc)
	word(w, "master", d.Master)
	word(w, "state", d.OperState)
	word(w, "mode", d.LinkMode)
	word(w, "group", d.Group)
	if d.TxQLen != 0 {
		fmt.Fprintf(w, "qlen %d", d.TxQLen)
	}
	fmt.Fprintf(w, "\n    link/ether %s brd %s", d.MAC, d.Broadcast)
	if a.details {
		fmt.Fprintf(w, " promiscuity %d  allmulti %d minmtu %d maxmtu %d ", d.Promiscuity, d.AllMulti, d.MinMTU, d.MaxMTU)
		if d.NSID != nil {
			fmt.Fprintf(w, "netnsid %d ", *d.NSID)
		}
		fmt.Fprintf(w, "\n    vxlan ")
		showWords(w, l)
		showOffload(w, &l.Offload)
		for i := range l.Trouble {
			if l.Trouble[i].Now {
				fmt.Fprint(w, "\n    uvtep trouble ")
				showTrouble(w, &l.Trouble[i])
			}
		}
	}
	if l.Missing != "" {
		fmt.Fprintf(w, "\n    uvtep missing %q", l.Missing)
	}
	if d.Alias != "" {
		fmt.Fprintf(w, "\n    alias %s", d.Alias)
	}
	fmt.Fprintln(w)
	if a.statistics > 0 {
		showStats(w, &l.Stats, a.statistics > 1)
		if a.details || a.statistics > 1 {
			showDrops(w, &l.Stats)
			showReasons(w, "shared-drop", l.SharedDrops)
			showRemotes(w, l)
		}
	}
}

// showWords prints the words of the link, as vxlan_print_opt does (ip/iplink_vxlan.c), and those of uvtep's
// own on a line of their own.
func showWords(w io.Writer, l *api.Link) {
	said := &api.LinkChange{LinkSpec: l.Spec}
	ip, own := words.Shown()
	for i := range ip {
		if text := ip[i].Show(said); text != "" {
			fmt.Fprint(w, text, " ")
		}
	}
	showQueues(w, &l.Netdev)
	var first, others strings.Builder
	for i := range own {
		to := &others
		if own[i].Always {
			to = &first
		}
		if text := own[i].Show(said); text != "" {
			fmt.Fprint(to, " ", text)
		}
	}
	fmt.Fprintf(w, "\n    uvtep%s mtu-source %q entries %d%s", &first, l.MTUSource, l.Entries, &others)
}

func word(w io.Writer, name, v string) {
	if v != "" {
		fmt.Fprintf(w, "%s %s ", name, v)
	}
}

// value is what p points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func showQueues(w io.Writer, d *api.Netdev) {
	word(w, "addrgenmode", d.AddrGenMode)
	for _, n := range []struct {
		name string
		n    uint32
	}{
		{"numtxqueues", d.NumTxQueues}, {"numrxqueues", d.NumRxQueues},
		{"gso_max_size", d.GSOMaxSize}, {"gso_max_segs", d.GSOMaxSegs},
		{"tso_max_size", d.TSOMaxSize}, {"tso_max_segs", d.TSOMaxSegs}, {"gro_max_size", d.GROMaxSize},
	} {
		if n.n != 0 {
			fmt.Fprintf(w, "%s %d ", n.name, n.n)
		}
	}
}

// showStats prints counters as __print_link_stats does (print_stats64 in
// ip/ipaddress.c). Columns grow with the largest number of either direction.
// What only hardware has is 0.
func showStats(w io.Writer, s *api.LinkStats, errors bool) {
	rx := []uint64{s.Rx.Bytes, s.Rx.Packets, s.Rx.Errors, s.Rx.Dropped, 0, s.Rx.Multicast}
	tx := []uint64{s.Tx.Bytes, s.Tx.Packets, s.Tx.Errors, s.Tx.Dropped, 0, 0}
	widths := []int{len("*X errors:"), len("packets"), len("errors"), len("dropped"), len("heartbt"), len("overrun")}
	for _, row := range [][]uint64{rx, tx} {
		for i, n := range row {
			widths[i] = max(widths[i], len(strconv.FormatUint(n, 10)))
		}
	}
	for _, dir := range []struct {
		name         string
		row          []uint64
		heads, error []string
	}{
		{"RX", rx, []string{"bytes", "packets", "errors", "dropped", "missed", "mcast"}, []string{"length", "crc", "frame", "fifo", "overrun"}},
		{"TX", tx, []string{"bytes", "packets", "errors", "dropped", "carrier", "collsns"}, []string{"aborted", "fifo", "window", "heartbt", "transns"}},
	} {
		fmt.Fprintf(w, "    %s:", dir.name)
		for i, head := range dir.heads {
			width := widths[i]
			if i == 0 {
				width -= len("TX: ")
			}
			fmt.Fprintf(w, " %*s", width, head)
		}
		fmt.Fprintf(w, " %*s\n    ", len("compressed"), "")
		for i, n := range dir.row {
			fmt.Fprintf(w, "%*d ", widths[i], n)
		}
		fmt.Fprintln(w)
		if !errors {
			continue
		}
		fmt.Fprintf(w, "    %s errors:%*s", dir.name, widths[0]-len("TX errors:"), "")
		for i, head := range dir.error {
			fmt.Fprintf(w, " %*s", widths[i+1], head)
		}
		fmt.Fprintf(w, "\n%*s", widths[0]+len("    ")+1, "")
		for i := range dir.error {
			fmt.Fprintf(w, "%*d ", widths[i+1], 0)
		}
		fmt.Fprintln(w)
	}
}

// showReasons prints counters of drops by reason.
func showReasons(w io.Writer, what string, drops map[string]uint64) {
	for _, reason := range slices.Sorted(maps.Keys(drops)) {
		fmt.Fprintf(w, "    uvtep %s %s %d\n", what, reason, drops[reason])
	}
}

// showDrops prints the counters that the kernel has no place for, those that
// are not zero.
func showDrops(w io.Writer, s *api.LinkStats) {
	showReasons(w, "drop", s.Drops)
	for _, n := range []struct {
		name string
		n    uint64
	}{{"reserved", s.Reserved}, {"not-learned", s.NotLearned}, {"evicted", s.Evicted}, {"moves", s.Moves}, {"too-big-sent", s.TooBigSent}, {"too-big-withheld", s.Withheld},
		{"fragmented", s.Fragmented}, {"answered", s.Answered}, {"policy-id", uint64(s.PolicyID)}} {
		if n.n != 0 {
			fmt.Fprintf(w, "    uvtep count %s %d\n", n.name, n.n)
		}
	}
}
