package evpn

import (
	"fmt"
	"net/netip"

	"github.com/uvtep/uvtep/bgp"
)

// Event is something that changed, for people.
type Event struct {
	Object    string     `json:"object"` // mac, vtep, duplicate or neighbor
	Gone      bool       `json:"gone,omitempty"`
	Link      string     `json:"link,omitempty"`
	MAC       string     `json:"mac,omitempty"`
	Local     bool       `json:"local,omitempty"` // of mac: it is this VTEP's
	VTEP      netip.Addr `json:"vtep,omitzero"`
	Flood     bool       `json:"flood,omitempty"` // of vtep
	Sequence  uint32     `json:"sequence,omitempty"`
	Neighbour netip.Addr `json:"neighbor,omitzero"`
	What      string     `json:"event,omitempty"` // of neighbor: as in bgp.Event
	Reason    string     `json:"reason,omitempty"`
}

// The objects of events.
const (
	ObjectMAC       = "mac"
	ObjectVTEP      = "vtep"
	ObjectDuplicate = "duplicate"
	ObjectNeighbour = "neighbor"
)

// String is the event in a line.
func (e *Event) String() string {
	switch {
	case e.Object == ObjectNeighbour && e.Reason != "":
		return fmt.Sprintf("neighbor %v %s: %s", e.Neighbour, e.What, e.Reason)
	case e.Object == ObjectNeighbour:
		return fmt.Sprintf("neighbor %v %s", e.Neighbour, e.What)
	case e.Object == ObjectVTEP:
		return fmt.Sprintf("vtep %v dev %s flood %t", e.VTEP, e.Link, e.Flood)
	case e.Object == ObjectDuplicate:
		return fmt.Sprintf("duplicate %s dev %s other %v", e.MAC, e.Link, e.VTEP)
	case e.Gone:
		return fmt.Sprintf("mac %s dev %s", e.MAC, e.Link)
	case e.Local:
		return fmt.Sprintf("mac %s dev %s local seq %d", e.MAC, e.Link, e.Sequence)
	}
	return fmt.Sprintf("mac %s dev %s dst %v seq %d", e.MAC, e.Link, e.VTEP, e.Sequence)
}

// event tells who listens.
func (a *Agent) event(e Event) {
	if a.conf.Tell != nil {
		a.conf.Tell(e)
	}
}

// tellMAC tells where a MAC address is, where that changed.
func (a *Agent) tellMAC(l *link, m bgp.MAC, e *macEntry, c *choice) {
	local, v := e.local != nil && e.local.claimed, e.installed.vtep
	if local == e.toldLocal && v == e.told {
		return
	}
	e.toldLocal, e.told = local, v
	n := Event{Object: ObjectMAC, Link: l.Name, MAC: m.String(), Local: local, VTEP: valueOf(v), Gone: !local && v == vtep{}, Sequence: c.seq}
	if local {
		n.Sequence = e.local.seq
	}
	a.event(n)
}
