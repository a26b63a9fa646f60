package vtep

import "github.com/uvtep/uvtep/fdb"

// DefaultTotalAddresses is how many unicast entries the FDBs of all links may hold
// together: a million, in at most 26 MiB.
const DefaultTotalAddresses = 1 << 20

// limits bound the memory that the traffic of all links together takes. Each link has limits
// of its own as well (`maxaddress`).
type limits struct {
	addresses *fdb.Budget // entries of FDBs; the link that has learned most loses entries first
	bindings  *fdb.Budget // addresses that proxies learned
	remotes   *fdb.Budget // remotes made by learning beyond each link's first

	localMACs, localAddrs *fdb.Budget // MAC and IP addresses on this side (learnlocal)
}

const (
	// remoteShare: there may be one remote for each eight addresses. A remote, with its
	// peer, takes the memory of some 16 entries: the default's 131,072 take 50 MiB.
	remoteShare = 8
)

func newLimits(addresses int) limits {
	l := limits{
		addresses: fdb.NewBudget(0), bindings: fdb.NewBudget(0), remotes: fdb.NewBudget(0),
		localMACs: fdb.NewBudget(0), localAddrs: fdb.NewBudget(0),
	}
	l.set(addresses)
	return l
}

// set changes the limit of addresses, and the other limits with it: 0 stands for the default,
// UnlimitedAddresses for no limit.
func (l *limits) set(addresses int) {
	switch {
	case addresses == 0:
		addresses = DefaultTotalAddresses
	case addresses < 0:
		addresses = 0
	}
	l.addresses.SetMax(addresses)
	l.bindings.SetMax(addresses)
	l.localMACs.SetMax(addresses)
	l.localAddrs.SetMax(addresses)
	l.remotes.SetMax((addresses + remoteShare - 1) / remoteShare)
}

// SetMaxAddresses changes how many unicast entries the FDBs of all links may hold together: 0
// stands for DefaultTotalAddresses, UnlimitedAddresses for any number. Where there are more,
// new entries take their places.
func (v *VTEP) SetMaxAddresses(n int) { v.limits.set(n) }

// Addresses is how many unicast entries the FDBs of all links hold together, and
// how many they may hold, 0 for any number.
func (v *VTEP) Addresses() (held, limit int) {
	return v.limits.addresses.Used(), max(v.limits.addresses.Max(), 0)
}
