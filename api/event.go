package api

import (
	"encoding/hex"
	"net/netip"
	"time"
)

// Event is one line of GET /v1/monitor.
type Event struct {
	Time   time.Time `json:"time"`             // when the daemon wrote it
	Event  string    `json:"event"`            // new (or changed), del, move, conflict, miss, hold, release, policy, trouble, drop, lost or listed
	Object string    `json:"object,omitempty"` // link, fdb, local or drop; none of lost and listed
	Link   *Link     `json:"link,omitempty"`
	// FDB of a miss has the link and what is missing: the MAC address, or the IP
	// address as Dst.
	FDB *FDBEntry `json:"fdb,omitempty"`
	// Local is a MAC or IP address on this side: new, moved here (Old is the remote that the
	// MAC address was behind, OldMAC the MAC address that had the IP address before), gone
	// (Reason moved: it is behind a remote now), or in conflict with a permanent FDB entry.
	Local  *LocalEntry `json:"local,omitempty"`
	Reason string      `json:"reason,omitempty"`  // why an entry changed: learned, user, aged, flushed, evicted or moved
	Old    netip.Addr  `json:"old,omitzero"`      // of a move: where the MAC address was
	OldMAC string      `json:"old_mac,omitempty"` // of a move of an IP address
	Policy *Policy     `json:"policy,omitempty"`
	Drop   *Drop       `json:"drop,omitempty"`
	// Trouble says what is wrong with a remote of a link, or no longer is.
	Trouble *Trouble `json:"trouble,omitempty"`
	Lost    uint64   `json:"lost,omitempty"` // events that were lost, since the reader was too slow
	// Listed: the line is from the list of what was there, which a stream begins with where it
	// is asked to, and which ends with a line of the event listed.
	Listed bool `json:"listed,omitempty"`
}

// Drop is how many frames or packets were dropped for one reason since its last event.
type Drop struct {
	Dev    string `json:"dev,omitempty"` // missing for packets that belong to no link
	Reason string `json:"reason"`
	Count  uint64 `json:"count"`
	// VNI is that of the packets where no link has it (rx-unknown-vni); nil: those of VNIs
	// that were too many to be counted apart.
	VNI *uint32 `json:"vni,omitempty"`
	// Sample is one of them, where the stream was asked for samples and there was one.
	Sample *Sample `json:"sample,omitempty"`
}

// Sample is a frame or packet that was dropped.
type Sample struct {
	// Frame begins the Ethernet frame, or the UDP payload of a packet that belongs to no link.
	Frame  Hex        `json:"frame"`
	Length int        `json:"length"`          // of the whole
	Remote netip.Addr `json:"remote,omitzero"` // outer address of the other end, where there was one yet
}

// Hex is bytes, in hexadecimal.
type Hex []byte

// MarshalText serves encoding/json.
func (h Hex) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

// UnmarshalText serves encoding/json.
func (h *Hex) UnmarshalText(b []byte) (err error) {
	*h, err = hex.AppendDecode((*h)[:0], b)
	return err
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

	EventConflict = "conflict" // a MAC address on this side has a permanent entry
	EventListed   = "listed"   // the end of the list that a stream began with

	ObjectLink  = "link"
	ObjectFDB   = "fdb"
	ObjectLocal = "local"
	ObjectDrop  = "drop"
)
