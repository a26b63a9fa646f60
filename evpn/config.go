package evpn

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/uvtep/uvtep/bgp"
)

// Config is what an Agent is made of. The zero value of a field means its default.
type Config struct {
	// AS is that of automatic route targets.
	AS uint32
	// RouterID is the IPv4 address that automatic route distinguishers begin with.
	RouterID netip.Addr
	// Neighbours are those whose routes are waited for before the data plane is swept.
	Neighbours []netip.Addr
	// Links says which links of the data plane take part, and how.
	Links LinkPolicy
	// IPv6 lets links with an IPv6 address take part. FRR ends the session of a neighbour that
	// announces an IPv6 VTEP, so that such links stay out unless the fabric has none of it.
	IPv6 bool
	// StaleTime is how long what an earlier agent put into the data plane stays while not all
	// neighbours have sent their routes, and how long what was behind the links stays
	// announced while the data plane is gone: 120 s.
	StaleTime time.Duration
	// Linger is how long the data plane keeps what no route has any more, unless something else is to take
	// its place; 0: not at all.
	Linger time.Duration
	// DuplicateMoves within DuplicateTime make a MAC address a duplicate: 5 in 180 s (RFC 7432
	// section 15.1). Negative moves: never.
	DuplicateMoves int
	DuplicateTime  time.Duration

	Speaker Speaker
	Plane   DataPlane
	// Tell gets what changes; it is called with a lock held, and must not wait. nil: nobody listens.
	Tell func(Event)
	// Log gets what an operator should know; nil: nothing is logged.
	Log *slog.Logger
}

// Speaker announces routes to all neighbours; a *bgp.Speaker is one. Run calls it, with no lock
// held.
type Speaker interface {
	Announce(bgp.Route, *bgp.Attributes) error
	Withdraw(bgp.Key)
}

// DataPlane is what forwards. Run calls it, with no lock held.
type DataPlane interface {
	// Apply makes changes in their order. It returns an error for each change, nil for those
	// made, or an error where it could not be asked.
	Apply(context.Context, []Change) ([]error, error)
	// Sweep removes what earlier agents put in and this one has not put in again.
	Sweep(context.Context) error
}

// ChangeKind says what a Change is about.
type ChangeKind uint8

// The kinds of changes. A Set is made whether the thing is there or not.
const (
	SetMAC   ChangeKind = iota // MAC is behind VTEP; Sticky: it does not move by frames
	DelMAC                     // MAC is behind no VTEP
	SetVTEP                    // VTEP is a peer of the link; Flood: frames are flooded to it
	DelVTEP                    // VTEP is none any more
	SetAddr                    // Addr is MAC's, with its flags
	DelAddr                    // Addr is nobody's
	numKinds = iota
)

// Change is one change of the data plane. Fields that its kind does not name are zero.
type Change struct {
	Kind     ChangeKind
	Link     string
	MAC      bgp.MAC
	VTEP     netip.Addr
	Addr     netip.Addr
	Sticky   bool
	Flood    bool
	Router   bool // of Addr: RFC 9047 section 2
	Override bool
}

// LinkPolicy says which links take part, and how.
type LinkPolicy struct {
	// All has each link take part that the data plane offers and that is not quiet.
	All bool
	// ByName has the settings of single links, which take part.
	ByName map[string]LinkConfig
}

// LinkConfig has the settings of a link. Its zero value is the default.
type LinkConfig struct {
	// Import and Export are route targets, taken literally; none: automatic ones, AS:VNI, of
	// which the number alone counts on import.
	Import, Export []bgp.ExtCommunity
	// RD is the route distinguisher; zero: automatic.
	RD bgp.RD
	// NoFlood announces no T3, and floods to nobody.
	NoFlood bool
	// NoMAC and NoNeighbours announce no MAC addresses, or none with IP addresses.
	NoMAC, NoNeighbours bool
}

const (
	defaultStaleTime      = 120 * time.Second
	defaultDuplicateMoves = 5                 // RFC 7432 section 15.1, N
	defaultDuplicateTime  = 180 * time.Second // RFC 7432 section 15.1, M
)

func (c *Config) fill() {
	if c.StaleTime == 0 {
		c.StaleTime = defaultStaleTime
	}
	if c.DuplicateMoves == 0 {
		c.DuplicateMoves = defaultDuplicateMoves
	}
	if c.DuplicateTime == 0 {
		c.DuplicateTime = defaultDuplicateTime
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}
