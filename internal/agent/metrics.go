package agent

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/uvtep/uvtep/bgp"
	"github.com/uvtep/uvtep/evpn"
)

// collector shows an agent's counters to Prometheus.
type collector struct {
	agent   *evpn.Agent
	speaker *bgp.Speaker
	up, routes, announced, messages, notUsed, dropped,
	macs, vteps, moves, duplicates, changes *prometheus.Desc
}

func newCollector(a *evpn.Agent, s *bgp.Speaker) *collector {
	of := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("uvtep_evpn_"+name, help, labels, nil)
	}
	return &collector{
		agent: a, speaker: s,
		up:         of("neighbor_up", "Whether the session of the neighbour is established.", "neighbor"),
		routes:     of("neighbor_routes", "Routes of the neighbour.", "neighbor"),
		announced:  of("neighbor_announced", "Routes that the neighbour was told.", "neighbor"),
		messages:   of("neighbor_messages_total", "Messages of the session.", "neighbor", "direction"),
		notUsed:    of("routes_not_used_total", "Routes that were not used when they came, by reason.", "neighbor", "reason"),
		dropped:    of("updates_dropped_total", "What of the neighbour's UPDATEs was not taken, by reason.", "neighbor", "reason"),
		macs:       of("macs", "MAC addresses of the link.", "link", "where"),
		vteps:      of("vteps", "Other VTEPs of the link.", "link"),
		moves:      of("moves_total", "Moves of MAC addresses to this VTEP and away.", "direction"),
		duplicates: of("duplicates_total", "MAC addresses that became duplicates."),
		changes:    of("dataplane_changes_total", "Changes of the data plane, by what came of them.", "result"),
	}
}

// Describe sends the descriptions.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.up, c.routes, c.announced, c.messages, c.notUsed, c.dropped, c.macs, c.vteps, c.moves, c.duplicates, c.changes} {
		out <- d
	}
}

// Collect sends the values.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	put := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	for _, n := range c.speaker.Neighbours() {
		name, up := n.Address.String(), 0.0
		if n.State == bgp.Established {
			up = 1
		}
		put(c.up, gauge, up, name)
		put(c.routes, gauge, float64(n.Routes), name)
		put(c.announced, gauge, float64(n.Announced), name)
		put(c.messages, counter, float64(n.Counters.MessagesIn), name, "in")
		put(c.messages, counter, float64(n.Counters.MessagesOut), name, "out")
		for why, count := range n.Counters.Drops {
			put(c.dropped, counter, float64(count), name, string(why))
		}
	}
	for _, n := range c.agent.Neighbours() {
		for why, count := range n.Refused {
			put(c.notUsed, counter, float64(count), n.Address.String(), why.String())
		}
	}
	for _, v := range c.agent.VNIs("") {
		put(c.macs, gauge, float64(v.LocalMACs), v.Link, "local")
		put(c.macs, gauge, float64(v.MACs-v.LocalMACs), v.Link, "remote")
		put(c.vteps, gauge, float64(len(v.VTEPs)), v.Link)
	}
	n := c.agent.Counts()
	put(c.moves, counter, float64(n.MovesHere), "here")
	put(c.moves, counter, float64(n.MovesAway), "away")
	put(c.duplicates, counter, float64(n.Duplicates))
	put(c.changes, counter, float64(n.Changes), "made")
	put(c.changes, counter, float64(n.Refused), "refused")
}
