package api

import (
	"net/netip"
	"time"
)

// Event is one line of GET /v1/monitor.
type Event struct {
	Time   time.Time `json:"time"`             // when the daemon wrote it
	Event  string    `json:"event"`            // new (or changed), del, move, miss, hold, release, policy, trouble, drop or lost
	Object string    `json:"object,omitempty"` // link, fdb or drop; none of lost
	Link   *Link     `json:"link,omitempty"`
	// FDB of a miss has the link and what is missing: the MAC address, or the IP
	// address as Dst.
	FDB    *FDBEntry  `json:"fdb,omitempty"`
	Reason string     `json:"reason,omitempty"` // why an entry changed: learned, user, aged, flushed or evicted
	Old    netip.Addr `json:"old,omitzero"`     // of a move: where the MAC address was
	Policy *Policy    `json:"policy,omitempty"`
	Drop   *Drop      `json:"drop,omitempty"`
	// Trouble says what is wrong with a remote of a link, or no longer is.
	Trouble *Trouble `json:"trouble,omitempty"`
	Lost    uint64   `json:"lost,omitempty"` // events that were lost, since the reader was too slow
}

// Drop is how many frames or packets were dropped for one reason since its last event.
type Drop struct {
	Dev    string `json:"dev,omitempty"` // missing for packets that belong to no link
	Reason string `json:"reason"`
	Count  uint64 `json:"count"`
	// VNI is that of the packets where no link has it (rx-unknown-vni); nil: those of VNIs
	// that were too many to be counted apart.
	VNI *uint32 `json:"vni,omitempty"`
}

// Policy is the group policy id of the last packet that a link received.
type Policy struct {
	Dev string `json:"dev"`
	ID  uint16 `json:"gbpid"`
}

// The values of Event.Event and Event.Object.
const (
	EventHold    = "hold"    // moveguard holds a MAC address
	EventRelease = "release" // moveguard has released a MAC address
	EventPolicy  = "policy"
	EventTrouble = "trouble" // something is wrong with a remote, or no longer is

	EventNew  = "new"
	EventDel  = "del"
	EventMove = "move"
	EventMiss = "miss"
	EventDrop = "drop"
	EventLost = "lost"

	ObjectLink = "link"
	ObjectFDB  = "fdb"
	ObjectDrop = "drop"
)
