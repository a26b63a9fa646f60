package api

import "net/netip"

// MaxBatch is how many changes a batch may have.
const MaxBatch = 10_000

// FDBBatch are changes of FDB entries, of one link or several, for POST /v1/fdb/batch. They
// are made in their order. One that is refused keeps none of the others from being made.
//
// An entry has its owner from the batch: a controller, by a name of its own choice. An owner's
// batch changes and deletes entries of that owner and learned ones only: what an operator or
// another owner put in is refused with ErrExist, or ErrNotExist where it is to be deleted.
type FDBBatch struct {
	Owner string `json:"owner"` // 1 to 32 letters, digits, - and _
	// Generation is greater each time that the controller starts anew. An entry that a batch
	// makes, or names again as it is, has this generation from then on: see Sweep.
	Generation uint64      `json:"generation"`
	Changes    []FDBChange `json:"changes"` // at most MaxBatch
}

// FDBChange is one change. Op is add, append, replace or del. For an all-zeros or multicast
// address append makes an entry or one more remote of it, and gives a remote that is there the
// batch's generation; replace does so for a unicast address.
type FDBChange struct {
	Op string `json:"op"`
	FDBEntry
}

// BatchResult has a result for each change, in the changes' order.
type BatchResult struct {
	Results []ChangeResult `json:"results"`
}

// ChangeResult is what became of one change. Both fields are empty where it was made.
type ChangeResult struct {
	Error string `json:"error,omitempty"`
	Code  string `json:"code,omitempty"`
}

// Err is the refusal, one of those of Error; nil: the change was made.
func (r *ChangeResult) Err() error {
	if r.Code == "" {
		return nil
	}
	return &Error{Message: r.Error, Code: r.Code}
}

// Sweep asks for the removal of all FDB entries and neighbours of an owner whose generation is
// less than Generation, for POST /v1/sweep: a controller that starts anew puts in what it
// knows with a new generation, and then sweeps away what nobody named again.
type Sweep struct {
	Owner      string `json:"owner"`
	Generation uint64 `json:"generation"`
	Dev        string `json:"dev,omitempty"` // one link's only
}

// Swept is how many were removed.
type Swept struct {
	FDB    int `json:"fdb"`
	Neighs int `json:"neigh"`
	// Latest is the greatest generation of the owner's that something was put in with, before
	// the sweep; 0: none. A controller that starts asks for it with a Sweep of generation 0,
	// which removes nothing, and takes a greater one: no clock tells that as surely.
	Latest uint64 `json:"latest"`
}

// NeighEntry is an address that a link with proxy answers for because a controller said so,
// beside those of the device's neighbour table, which come first.
type NeighEntry struct {
	Dev string     `json:"dev"`
	IP  netip.Addr `json:"ip"`
	MAC string     `json:"mac,omitempty"`
	// Router and Override are the flags of the neighbour advertisement that answers for an
	// IPv6 address (RFC 4861 section 4.4), which EVPN carries (RFC 9047 section 2.1). ARP has
	// no such flags.
	Router     bool   `json:"router,omitempty"`
	Override   bool   `json:"override,omitempty"`
	Owner      string `json:"owner,omitempty"`
	Generation uint64 `json:"generation,omitempty"`
}

// NeighBatch are changes of neighbours, for POST /v1/neigh/batch, with the rules of FDBBatch.
type NeighBatch struct {
	Owner      string        `json:"owner"`
	Generation uint64        `json:"generation"`
	Changes    []NeighChange `json:"changes"` // at most MaxBatch
}

// NeighChange is one change. Op is replace or del.
type NeighChange struct {
	Op string `json:"op"`
	NeighEntry
}
