package status

import (
	"maps"
	"slices"

	"github.com/uvtep/uvtep/api"
)

// comparison makes rates of counters.
type comparison struct{ seconds float64 }

func (c comparison) rate(was, is uint64) float64 {
	if is < was {
		return 0
	}
	return float64(is-was) / c.seconds
}

func (c comparison) flow(was, is api.Counts) Flow {
	return Flow{
		Packets: is.Packets, Bytes: is.Bytes, Dropped: is.Dropped + is.Errors,
		PacketsPS: c.rate(was.Packets, is.Packets), BitsPS: 8 * c.rate(was.Bytes, is.Bytes),
		DroppedPS: c.rate(was.Dropped+was.Errors, is.Dropped+is.Errors),
	}
}

// drops lists reasons, those of which something was dropped at present first.
func (c comparison) drops(was, is map[string]uint64) []Drop {
	list := []Drop{}
	for _, reason := range slices.Sorted(maps.Keys(is)) {
		if n := is[reason]; n > 0 {
			list = append(list, Drop{reason, n, c.rate(was[reason], n)})
		}
	}
	slices.SortStableFunc(list, func(a, b Drop) int {
		switch {
		case a.PS > b.PS:
			return -1
		case a.PS < b.PS:
			return 1
		}
		return 0
	})
	return list
}

// link compares a link with what it was.
func (c comparison) link(was, is *api.Link) Link {
	l := Link{
		Name: is.Netdev.Name, Up: slices.Contains(is.Netdev.Flags, "UP"), MTU: is.Netdev.MTU, MTUSource: is.MTUSource, Entries: is.Addresses,
		Rx: c.flow(was.Stats.Rx, is.Stats.Rx), Tx: c.flow(was.Stats.Tx, is.Stats.Tx),
		Remotes: []Remote{}, More: is.MoreRemotes, Offloads: offloads(&is.Offload),
	}
	if is.Spec.ID != nil {
		l.ID = *is.Spec.ID
	}
	if is.Spec.Local != nil {
		l.Local = *is.Spec.Local
	}
	if is.Spec.DstPort != nil {
		l.DstPort = *is.Spec.DstPort
	}
	if is.Spec.MaxAddress != nil {
		l.MaxAddr, _ = is.Spec.MaxAddress.Number()
	}
	old := make(map[string]*api.RemoteStats)
	for i := range was.Remotes {
		old[was.Remotes[i].Dst.String()] = &was.Remotes[i]
	}
	for i := range is.Remotes {
		r := &is.Remotes[i]
		before := old[r.Dst.String()]
		if before == nil {
			before = new(api.RemoteStats)
		}
		l.Remotes = append(l.Remotes, Remote{
			Dst: r.Dst, Configured: r.Configured, Entries: r.Entries, Heard: r.Heard,
			Rx: c.flow(before.Rx, r.Rx), Tx: c.flow(before.Tx, r.Tx),
		})
	}
	l.Drops = c.drops(was.Stats.Drops, is.Stats.Drops)
	return l
}

func offloads(o *api.Offload) []Offload {
	all := []Offload{
		{"tap", len(o.TAP.Read) > 0 && len(o.TAP.Write) > 0, o.TAP.Reason},
		{"udp-gso", o.UDPGSO.Segments > 1, o.UDPGSO.Reason},
		{"udp-gro", o.UDPGRO.On, o.UDPGRO.Reason},
		{"filter", o.Filter.On, o.Filter.Reason},
	}
	if o.TunnelGSO.On { // else it is of a remote, a device or not asked for
		all = append(all, Offload{"tunnel-gso", true, ""})
	}
	if o.TXRing.On {
		all = append(all, Offload{"tx-ring", true, ""})
	}
	return all
}
