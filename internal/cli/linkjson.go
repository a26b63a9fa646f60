package cli

import (
	"maps"
	"slices"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/words"
)

// showLinksJSON prints links with the keys of `ip -j link show`, and uvtep's
// own under "uvtep".
func (a *app) showLinksJSON(links []api.Link) error {
	j := newJSON(a.out, a.pretty)
	j.array("", func() {
		for i := range links {
			j.object("", func() { a.linkJSON(j, &links[i]) })
		}
	})
	return j.end()
}

func (a *app) linkJSON(j *jsonWriter, l *api.Link) {
	d := &l.Netdev
	if a.brief { // print_linkinfo_brief in ip/ipaddress.c
		j.value("ifname", d.Name)
		nonzero(j, "operstate", d.OperState)
		j.value("address", d.MAC)
		j.strings("flags", d.Flags)
		return
	}
	j.value("ifindex", d.Index)
	j.value("ifname", d.Name)
	nonzero(j, "link", value(l.Spec.Trunk)) // as ip has a VLAN's device
	j.strings("flags", d.Flags)
	j.value("mtu", d.MTU)
	nonzero(j, "qdisc", d.Qdisc)
	nonzero(j, "master", d.Master)
	nonzero(j, "operstate", d.OperState)
	nonzero(j, "linkmode", d.LinkMode)
	nonzero(j, "group", d.Group)
	nonzero(j, "txqlen", d.TxQLen)
	j.value("link_type", "ether")
	j.value("address", d.MAC)
	j.value("broadcast", d.Broadcast)
	if a.details {
		j.value("promiscuity", d.Promiscuity)
		j.value("allmulti", d.AllMulti)
		j.value("min_mtu", d.MinMTU)
		j.value("max_mtu", d.MaxMTU)
		if d.NSID != nil {
			j.value("netnsid", *d.NSID)
		}
		j.object("linkinfo", func() {
			j.value("info_kind", "vxlan")
			ip, own := words.Shown()
			j.object("info_data", func() { wordsJSON(j, &l.Spec, ip) })
			j.object("uvtep", func() { ownJSON(j, l, own) })
		})
		nonzero(j, "inet6_addr_gen_mode", d.AddrGenMode)
		nonzero(j, "num_tx_queues", d.NumTxQueues)
		nonzero(j, "num_rx_queues", d.NumRxQueues)
		nonzero(j, "gso_max_size", d.GSOMaxSize)
		nonzero(j, "gso_max_segs", d.GSOMaxSegs)
		nonzero(j, "tso_max_size", d.TSOMaxSize)
		nonzero(j, "tso_max_segs", d.TSOMaxSegs)
		nonzero(j, "gro_max_size", d.GROMaxSize)
	}
	nonzero(j, "ifalias", d.Alias)
	if a.statistics > 0 {
		j.object("stats64", func() { statsJSON(j, &l.Stats, a.statistics > 1) })
		j.object("uvtep", func() { dropsJSON(j, &l.Stats, l.SharedDrops); troublesJSON(j, l); remotesJSON(j, l) })
	}
}

// wordsJSON writes the words of a link.
func wordsJSON(j *jsonWriter, s *api.LinkSpec, all []words.Word) {
	said := &api.LinkChange{LinkSpec: *s}
	for i := range all {
		switch key, v := all[i].JSON(said); v := v.(type) {
		case nil:
		case api.PortRange:
			j.object(key, func() { j.value("low", v[0]); j.value("high", v[1]) })
		default:
			j.value(key, v)
		}
	}
}

// ownJSON is what a kernel vxlan device does not have.
func ownJSON(j *jsonWriter, l *api.Link, own []words.Word) {
	wordsJSON(j, &l.Spec, own)
	nonzero(j, "mtu_source", l.MTUSource)
	nonzero(j, "missing", l.Missing)
	j.value("entries", l.Entries)
	j.value("addresses", l.Addresses)
	nonzero(j, "proxy_learned", l.Learned)
	j.object("offload", func() { offloadJSON(j, &l.Offload) })
	troublesJSON(j, l)
}

// statsJSON has the keys of print_stats64 (ip/ipaddress.c).
func statsJSON(j *jsonWriter, s *api.LinkStats, errors bool) {
	counts := func(c api.Counts, zeros ...string) {
		j.value("bytes", c.Bytes)
		j.value("packets", c.Packets)
		j.value("errors", c.Errors)
		j.value("dropped", c.Dropped)
		for _, name := range zeros {
			if name == "multicast" {
				j.value(name, c.Multicast)
				continue
			}
			j.value(name, 0)
		}
	}
	rx := []string{"over_errors", "multicast"}
	tx := []string{"carrier_errors", "collisions"}
	if errors {
		rx = append(rx, "length_errors", "crc_errors", "frame_errors", "fifo_errors", "missed_errors")
		tx = append(tx, "aborted_errors", "fifo_errors", "window_errors", "heartbeat_errors", "carrier_changes")
	}
	j.object("rx", func() { counts(s.Rx, rx...) })
	j.object("tx", func() { counts(s.Tx, tx...) })
}

func dropsJSON(j *jsonWriter, s *api.LinkStats, shared map[string]uint64) {
	reasons := func(drops map[string]uint64) func() {
		return func() {
			for _, reason := range slices.Sorted(maps.Keys(drops)) {
				j.value(reason, drops[reason])
			}
		}
	}
	j.object("drops", reasons(s.Drops))
	if len(shared) > 0 {
		j.object("shared_drops", reasons(shared))
	}
	j.value("reserved", s.Reserved)
	j.value("not_learned", s.NotLearned)
	j.value("evicted", s.Evicted)
	j.value("too_big_sent", s.TooBigSent)
	j.value("too_big_withheld", s.Withheld)
	j.value("fragmented", s.Fragmented)
	j.value("moves", s.Moves)
	j.value("answered", s.Answered)
	nonzero(j, "policy_id", s.PolicyID)
}
