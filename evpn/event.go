package evpn

import (
	"fmt"
	"net/netip"
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
func (a *Agent) tellMAC(l *link, e *macEntry, c *choice) {
	at, local := e.vtep, e.local != nil && e.local.claimed
	if local { // then the data plane has it nowhere else
		at = here()
	}
	if at == e.told {
		return
	}
	e.told = at
	n := Event{Object: ObjectMAC, Link: l.Name, MAC: e.mac.String(), Local: local, VTEP: valueOf(at), Gone: at == vtep{}, Sequence: c.seq}
	if local {
		n.Sequence = e.local.seq
	}
	a.event(n)
}
