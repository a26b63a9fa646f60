package api

import (
	"net/netip"
	"time"
)

// Event is one line of GET /v1/monitor.
type Event struct {
	Time   time.Time `json:"time"`             // when the daemon wrote it
	Event  string    `json:"event"`            // new (changed, too), del, move, miss, hold, release, policy, trouble, drop or lost
	Object string    `json:"object,omitempty"` // link, fdb or drop; none of lost
	Link   *Link     `json:"link,omitempty"`
	// FDB of a miss has the link and what is missing: the MAC address, or the IP
	// address as Dst.
	FDB    *FDBEntry  `json:"fdb,omitempty"`
	Reason string     `json:"reason,omitempty"` // why an entry changed: learned, user, aged, flushed or evicted
	Old    netip.Addr `json:"old,omitzero"`     // of a move: where the MAC address was
	Policy *Policy    `json:"policy,omitempty"`
	Drop   *Drop      `json:"drop,omitempty"`
	// Trouble says of a link what is wrong with a remote of it, or no longer is.
	Trouble *Trouble `json:"trouble,omitempty"`
	Lost    uint64   `json:"lost,omitempty"` // events that the reader was too slow for
}

// Drop is how many frames or packets were dropped for one reason since the last
// event of it.
type Drop struct {
	Dev    string `json:"dev,omitempty"` // none where the packets were of no link
	Reason string `json:"reason"`
	Count  uint64 `json:"count"`
}

// Policy is the group policy id that a link's packets carry, as far as the last
// one received tells.
type Policy struct {
	Dev string `json:"dev"`
	ID  uint16 `json:"gbpid"`
}

// What an Event may say.
const (
	EventHold    = "hold"    // moveguard holds a MAC address
	EventRelease = "release" // and no longer
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
