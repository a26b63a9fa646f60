package vtep

import "github.com/uvtep/uvtep/fdb"

// DefaultTotalAddresses is how many unicast entries the FDBs of all links may hold
// together: a million, in at most 26 MiB.
const DefaultTotalAddresses = 1 << 20

// limits bound what the traffic of all links together makes the VTEP keep. Each
// link has limits of its own (`maxaddress`); what is used up by one of them here
// is shared with the others.
type limits struct {
	addresses *fdb.Budget // entries of FDBs; the link that has learned most gives its own
	bindings  *fdb.Budget // addresses that proxies learned
	remotes   *fdb.Budget // remotes made by learning beyond each link's first
}

const (
	// remoteShare: a remote, with its peer, takes the memory of some 16 entries. One
	// for each eight addresses, 131,072 by default, take 50 MiB.
	remoteShare = 8
)

func newLimits(addresses int) limits {
	l := limits{addresses: fdb.NewBudget(0), bindings: fdb.NewBudget(0), remotes: fdb.NewBudget(0)}
	l.set(addresses)
	return l
}

// set changes the limit of addresses, and with it those of the rest: 0 is the
// default, UnlimitedAddresses none.
func (l *limits) set(addresses int) {
	switch {
	case addresses == 0:
		addresses = DefaultTotalAddresses
	case addresses < 0:
		addresses = 0
	}
	l.addresses.SetMax(addresses)
	l.bindings.SetMax(addresses)
	l.remotes.SetMax((addresses + remoteShare - 1) / remoteShare)
}

// SetMaxAddresses changes how many unicast entries the FDBs of all links may hold
// together: 0 is DefaultTotalAddresses, UnlimitedAddresses any number. Where there
// are more, they go as new ones come.
func (v *VTEP) SetMaxAddresses(n int) { v.limits.set(n) }

// Addresses is how many unicast entries the FDBs of all links hold together, and
// how many they may hold, 0 for any number.
func (v *VTEP) Addresses() (held, limit int) {
	return v.limits.addresses.Used(), max(v.limits.addresses.Max(), 0)
}
