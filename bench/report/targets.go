package main

import (
	"fmt"

	"github.com/uvtep/uvtep/bench/result"
)

// target is a promise about one row.
type target struct {
	row     string
	system  string  // "": uvtep
	against string  // the system that the ratio is to; "": the row's reference
	reach   float64 // a ratio: at least, or at most where less is better
	atMost  float64 // not a ratio: the figure itself, at most
}

// targets is the one list of what uvtep promises.
func targets() []target {
	return []target{
		{row: "TCP/as-is/streams=1/forward", reach: 0.65},
		{row: "TCP/as-is/streams=4/forward", reach: 0.35},
		{row: "TCP/as-is/streams=1/forward", against: "ovs", reach: 5},
		{row: "TCP/jumbo/streams=1/forward", reach: 0.8},
		{row: "TCP/nic-gro/streams=1/forward", reach: 1.5},
		{row: "TCP/nic-gro/streams=4/forward", reach: 1.3},
		{row: "TCP/none-gro/streams=1/forward", reach: 0.9},
		{row: "UDP/64B/flows=1", reach: 2},
		{row: "UDP/64B/flows=64", reach: 1.5},
		{row: "UDP/gso/flows=1", reach: 0.7},
		{row: "Rate/64B/flows=64/20kpps", system: "uvtep-tx-ring", reach: 0.8},
		{row: "Rate/64B/flows=64/60kpps", system: "uvtep-tx-ring", reach: 0.8},
		{row: "RTT/64B/p50", reach: 1.5},
		{row: "RTT/64B/p50", system: "uvtep-spin", reach: 0.6},
		{row: "Replicate/remotes=100/burst=1", reach: 0.6},
		{row: "Replicate/remotes=100/burst=32", reach: 5},
		{row: "Growth/links/TCP", system: "uvtep-4094", reach: 0.9},
		{row: "Growth/links/UDP-64B", system: "uvtep-4094", reach: 0.9},
		{row: "Growth/fdb/TCP", system: "uvtep-1000000", reach: 0.9},
		{row: "Growth/fdb/UDP-64B", system: "uvtep-1000000", reach: 0.9},
		{row: "Growth/remotes/TCP", system: "uvtep-1000", reach: 0.9},
		{row: "Growth/remotes/UDP-64B", system: "uvtep-1000", reach: 0.9},
		{row: "Growth/fdb/RSS/growth", system: "uvtep-1000000", atMost: 32},
		{row: "Growth/links/RSS/each", system: "uvtep-4094", atMost: 64},
	}
}

// outcome is a target and what was measured.
type outcome struct {
	target
	got   float64
	found bool
}

// met reports whether the target is reached.
func (o *outcome) met(less bool) bool {
	switch {
	case !o.found:
		return false
	case o.atMost > 0:
		return o.got <= o.atMost
	case less:
		return o.got <= o.reach
	}
	return o.got >= o.reach
}

// text is the target as people read it.
func (o *outcome) text(less bool) string {
	switch {
	case o.atMost > 0:
		return fmt.Sprintf("<= %v", o.atMost)
	case less:
		return fmt.Sprintf("<= %v", o.reach)
	}
	return fmt.Sprintf(">= %v", o.reach)
}

// find looks up what was measured of a target.
func (t target) find(r *result.MergedRow) outcome {
	if t.system == "" {
		t.system = "uvtep"
	}
	o := outcome{target: t}
	s, ok := r.Find(t.system)
	switch {
	case !ok:
	case t.atMost > 0:
		o.got, o.found = s.Median, true
	case t.against == "":
		o.got, o.found = s.Ratio, s.Ratio > 0
	default:
		// Medians of the same run's rounds; the row's own ratios are to another system.
		if other, ok := r.Find(t.against); ok && other.Median > 0 {
			o.got, o.found = s.Median/other.Median, true
		}
	}
	return o
}
