package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/uvtep/uvtep/evpn"
	"github.com/uvtep/uvtep/internal/agent"
)

// evpnShow prints what the agent knows of something.
func (a *app) evpnShow(ctx context.Context, o *evpnOptions, args []string) error {
	w, err := parseEVPNShow(args)
	if err != nil {
		return err
	}
	ask := func(v any) error {
		q := url.Values{"link": {w.link}}
		if w.routeType > 0 {
			q.Set("type", fmt.Sprint(w.routeType))
		}
		return agent.Asker{Path: o.socket}.Get(ctx, w.what+"?"+q.Encode(), v)
	}
	switch w.what {
	case "neighbor":
		return show(a, ask, nil, a.showNeighbors)
	case "vni":
		a.details = a.details || w.vni != nil // as FRR's show evpn vni 42
		return show(a, ask, func(v *evpn.VNI) bool { return w.selects(v.VNI) }, a.showVNIs)
	case "mac":
		return show(a, ask, func(v *evpn.MACView) bool { return w.selects(v.VNI) }, a.showMACs)
	case "neigh":
		return show(a, ask, func(v *evpn.AddrView) bool { return w.selects(v.VNI) }, a.showAddrs)
	case "route":
		return show(a, ask, nil, a.showRoutes)
	}
	return show(a, ask, func(d *evpn.Duplicate) bool { return w.selects(d.VNI) && (w.link == "" || d.Link == w.link) }, a.showDuplicates)
}

// show asks for a list and prints what keep selects of it, as JSON where that was asked for.
func show[T any](a *app, ask func(any) error, keep func(*T) bool, print func([]T)) error {
	all := []T{}
	if err := ask(&all); err != nil {
		return err
	}
	if keep != nil {
		all = slices.DeleteFunc(all, func(v T) bool { return !keep(&v) })
	}
	if !a.json {
		print(all)
		return nil
	}
	out := json.NewEncoder(a.out)
	if a.pretty {
		out.SetIndent("", "    ")
	}
	return out.Encode(all)
}

// table prints columns.
func (a *app) table(head string, rows func(row func(...any))) {
	w := tabwriter.NewWriter(a.out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(head, "|", "\t"))
	rows(func(cells ...any) {
		for i, c := range cells {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, c)
		}
		fmt.Fprintln(w)
	})
	_ = w.Flush() // to the command's output, whose errors nothing reads
}

// showNeighbors prints as FRR's `show bgp l2vpn evpn summary`.
func (a *app) showNeighbors(all []agent.Neighbor) {
	a.table("Neighbor|AS|MsgRcvd|MsgSent|Up/Down|State/PfxRcd|PfxSnt|Desc", func(row func(...any)) {
		for _, n := range all {
			state := any(n.State)
			if n.State == "Established" {
				state = n.Routes
			}
			note := n.LastError
			switch {
			case n.Stale:
				note = "stale routes are kept; " + note
			case n.State == "Established":
				note = "N/A"
			}
			row(n.Address, n.RemoteAS, n.MsgRcvd, n.MsgSent, upTime(n.Since), state, n.Announced, note)
		}
	})
	if !a.details {
		return
	}
	for _, n := range all {
		fmt.Fprintf(a.out, "\nneighbor %v, router id %v, end of RIB %t\n  capabilities: %s\n", n.Address, n.RouterID, n.EndOfRIB, strings.Join(n.Capabilities, ", "))
		for _, why := range evpn.Reasons() {
			if count := n.NotUsed[why.String()]; count > 0 {
				fmt.Fprintf(a.out, "  not used, %s: %d\n", why, count)
			}
		}
		for why, count := range n.Dropped {
			fmt.Fprintf(a.out, "  dropped, %s: %d\n", why, count)
		}
	}
}

// upTime is seconds as FRR prints them.
func upTime(seconds int64) string {
	d := time.Duration(seconds) * time.Second
	return fmt.Sprintf("%02d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
}

// showVNIs prints as FRR's `show evpn vni`.
func (a *app) showVNIs(all []evpn.VNI) {
	a.table("VNI|Type|VxLAN IF|# MACs|# ARPs|# Remote VTEPs|Tenant VRF|Local VTEP|RD", func(row func(...any)) {
		for i := range all {
			v := &all[i]
			rd := v.RD
			if v.Out != "" {
				rd = "takes no part: " + v.Out
			}
			row(v.VNI, "L2", v.Link, v.MACs, v.Addrs, len(v.VTEPs), "default", v.Local, rd)
		}
	})
	if !a.details {
		return
	}
	for i := range all {
		v := &all[i]
		fmt.Fprintf(a.out, "\nVNI: %d\n Import: %s\n Export: %s\n Remote VTEPs for this VNI:\n", v.VNI, strings.Join(v.Import, " "), strings.Join(v.Export, " "))
		for _, p := range v.VTEPs {
			flood := "HER"
			if !p.Flood {
				flood = "-"
			}
			fmt.Fprintf(a.out, "  %v flood: %s\n", p.VTEP, flood)
		}
	}
}

// showMACs prints as FRR's `show evpn mac vni`.
func (a *app) showMACs(all []evpn.MACView) {
	byLink(all, func(v *evpn.MACView) (string, uint32) { return v.Link, v.VNI }, func(link string, vni uint32, all []evpn.MACView) {
		fmt.Fprintf(a.out, "VNI %d #MACs (local and remote) %d\n\nFlags: S=sticky, D=duplicate, H=seen here and not announced\n", vni, len(all))
		a.table("MAC|Type|Flags|Intf/Remote ES/VTEP|VLAN|Seq #'s", func(row func(...any)) {
			for i := range all {
				v := &all[i]
				typ, where := "remote", v.VTEP.String()
				switch {
				case v.Local:
					typ, where = "local", link
				case v.ESI != "":
					where = v.ESI
				}
				var flags strings.Builder
				for _, f := range []struct {
					on   bool
					text string
				}{{v.Sticky, "S"}, {v.Duplicate, "D"}, {v.Seen && !v.Local, "H"}} {
					if f.on {
						flags.WriteString(f.text)
					}
				}
				row(v.MAC, typ, flags.String(), where, "", fmt.Sprintf("%d/%d", v.LocalSeq, v.RemoteSeq))
			}
		})
	})
}

// showAddrs prints as FRR's `show evpn arp-cache vni`.
func (a *app) showAddrs(all []evpn.AddrView) {
	byLink(all, func(v *evpn.AddrView) (string, uint32) { return v.Link, v.VNI }, func(_ string, vni uint32, all []evpn.AddrView) {
		fmt.Fprintf(a.out, "VNI %d #ARP (IPv4 and IPv6, local and remote) %d\n\n", vni, len(all))
		a.table("Neighbor|Type|Flags|State|MAC|Remote ES/VTEP|Seq #'s", func(row func(...any)) {
			for i := range all {
				v := &all[i]
				typ, where, flags, seqs := "remote", v.VTEP.String(), "", fmt.Sprintf("0/%d", v.Seq)
				if v.Local {
					typ, where, seqs = "local", "", fmt.Sprintf("%d/0", v.Seq)
				}
				if v.Router {
					flags = "R"
				}
				row(v.Addr, typ, flags, "active", v.MAC, where, seqs)
			}
		})
	})
}

// byLink calls fn for each run of elements of one link.
func byLink[T any](all []T, of func(*T) (string, uint32), fn func(string, uint32, []T)) {
	for len(all) > 0 {
		link, vni := of(&all[0])
		n := 1
		for n < len(all) {
			if l, _ := of(&all[n]); l != link {
				break
			}
			n++
		}
		fn(link, vni, all[:n])
		all = all[n:]
	}
}

// showRoutes prints as FRR's `show bgp l2vpn evpn`.
func (a *app) showRoutes(all []evpn.RouteView) {
	fmt.Fprint(a.out, `Status codes: * valid, > best, S Stale, r not used
Origin codes: i - IGP, e - EGP, ? - incomplete
EVPN type-1 prefix: [1]:[EthTag]:[ESI]
EVPN type-2 prefix: [2]:[EthTag]:[MAClen]:[MAC]:[IPlen]:[IP]
EVPN type-3 prefix: [3]:[EthTag]:[IPlen]:[OrigIP]
EVPN type-4 prefix: [4]:[ESI]:[IPlen]:[OrigIP]
EVPN type-5 prefix: [5]:[EthTag]:[IPlen]:[IP]

   Network          Next Hop            Metric LocPrf Weight Path
`)
	rd, paths := "", 0
	for i := range all {
		v := &all[i]
		if v.RD != rd {
			rd = v.RD
			fmt.Fprintf(a.out, "Route Distinguisher: %s\n", rd)
		}
		paths++
		a.showRoute(v)
	}
	fmt.Fprintf(a.out, "\nDisplayed %d paths\n", paths)
}

func (a *app) showRoute(v *evpn.RouteView) {
	code := func(on bool, c string) string {
		if on {
			return c
		}
		return " "
	}
	fmt.Fprintf(a.out, "%s*%s %s\n", code(v.Stale, "S"), code(v.Best, ">"), v.Route)
	weight, pref := "32768", ""
	if v.Neighbour.IsValid() {
		weight = "0"
		if v.LocalPref > 0 {
			pref = fmt.Sprint(v.LocalPref)
		}
	}
	var path strings.Builder
	for _, as := range v.Path {
		fmt.Fprintf(&path, "%d ", as)
	}
	path.WriteString(map[string]string{"IGP": "i", "EGP": "e"}[v.Origin])
	if v.Origin == "incomplete" {
		path.WriteString("?")
	}
	fmt.Fprintf(a.out, "                    %-19v %6s %6s %6s %s\n", v.NextHop, "", pref, weight, path.String())
	fmt.Fprintf(a.out, "                    %s\n", strings.Join(v.Communities, " "))
	if v.Reason != "" {
		fmt.Fprintf(a.out, "                    not used: %s\n", v.Reason)
	}
}

func (a *app) showDuplicates(all []evpn.Duplicate) {
	a.table("VNI|Link|MAC|Other VTEP|Since", func(row func(...any)) {
		for i := range all {
			d := &all[i]
			row(d.VNI, d.Link, d.MAC, d.Other, d.Since.Local().Format(time.DateTime))
		}
	})
}

// evpnClear ends a session or releases duplicates.
func (a *app) evpnClear(ctx context.Context, o *evpnOptions, args []string) error {
	args, link, err := linkArg(args)
	if err != nil {
		return err
	}
	c := agent.Clear{Link: link}
	switch {
	case len(args) == 2 && args[0] == "neighbor" && link == "":
		if c.Neighbor, err = netip.ParseAddr(args[1]); err != nil {
			return usagef("neighbor %q is no IP address", args[1])
		}
	case len(args) == 1 && args[0] == "duplicate" && link != "":
	case len(args) == 2 && args[0] == "duplicate" && link != "":
		c.MAC = args[1]
	default:
		return usagef("write evpn clear neighbor ADDRESS, or evpn clear duplicate dev LINK [MAC]")
	}
	done, err := agent.Asker{Path: o.socket}.Clear(ctx, c)
	if err == nil && !c.Neighbor.IsValid() {
		fmt.Fprintf(a.out, "released: %d\n", done.Duplicates)
	}
	return err
}

// evpnMonitor prints what changes until ctx ends.
func (a *app) evpnMonitor(ctx context.Context, o *evpnOptions) error {
	out := json.NewEncoder(a.out)
	m := monitorPrinter{app: a}
	return agent.Asker{Path: o.socket}.Monitor(ctx, func(e *agent.Event) error {
		if a.json {
			return out.Encode(e)
		}
		if e.Lost > 0 {
			fmt.Fprintf(a.err, "uvtep: %d events lost: they came faster than they could be printed\n", e.Lost)
		}
		m.printTime(e.Time)
		if e.Gone {
			fmt.Fprint(a.out, "Deleted ")
		}
		_, err := fmt.Fprintln(a.out, e.String())
		return err
	})
}
