package control

import (
	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
)

// Backend is what the server serves. *vtep.VTEP is one.
type Backend interface {
	LinkBackend
	PortBackend
	FDBWriter
	FDBReader
	ControllerBackend
}

// PortBackend keeps ports that are not a link's. Its errors are vtep's.
type PortBackend interface {
	// AddTrunk makes a port and leaves it down.
	AddTrunk(vtep.TrunkConfig) error
	// UpdateTrunk changes what edit changes, or nothing where either refuses.
	UpdateTrunk(name string, edit func(*vtep.TrunkConfig) error) error
	SetTrunkUp(name string, up bool) error
	DelTrunk(name string) error
	Trunks() []vtep.TrunkInfo
}

// LinkBackend keeps links. Its errors are vtep's.
type LinkBackend interface {
	// AddLink makes a link and leaves it down.
	AddLink(vtep.LinkConfig) error
	// UpdateLink changes what edit changes, or nothing where either refuses.
	UpdateLink(name string, edit func(*vtep.LinkConfig) error) error
	SetLinkUp(name string, up bool) error
	DelLink(name string) error
	Link(name string) (vtep.LinkInfo, error)
	Links() []vtep.LinkInfo
}

// FDBWriter changes single entries of forwarding databases.
type FDBWriter interface {
	FDBAdd(vtep.FDBEntry) error
	FDBAppend(vtep.FDBEntry) error
	FDBReplace(vtep.FDBEntry) error
	// FDBDel removes one remote of an entry, or all with nil.
	FDBDel(link string, mac encap.MAC, remote *vtep.Remote) error
}

// FDBReader looks through forwarding databases.
type FDBReader interface {
	// WalkFDB calls fn with each entry that is selected until it returns false: of one
	// link after the other, by MAC. fn is not called where there is an error.
	WalkFDB(f vtep.FDBFilter, fn func(*vtep.FDBEntry) bool) error
	FDBFlush(link string, f vtep.FDBFilter) (removed int, err error)
}

// Netdevs are the network devices of the daemon's network namespace. netdev.Host is
// one. known says which is meant: what has its index, where that has its name and its
// MAC address, too.
type Netdevs interface {
	// Read is what the kernel says of a device.
	Read(known *api.Netdev) (api.Netdev, error)
	// Find is the index of the device called name.
	Find(name string) (index int, err error)
	// Master is the index of the device that another one is a slave of, or 0.
	Master(known *api.Netdev) (index int, err error)
	// SetMaster makes a device the slave of the one called master, of none with "".
	SetMaster(known *api.Netdev, master string) error
	// ChangeBridge changes an entry, as verb says, in the forwarding database of the
	// bridge that a device is a port of; where it is none's, nothing.
	ChangeBridge(known *api.Netdev, verb string, e *api.FDBEntry) error
}
