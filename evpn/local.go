package evpn

import (
	"net/netip"

	"github.com/uvtep/uvtep/bgp"
)

// localMAC is a MAC address behind a link's port.
type localMAC struct {
	sticky  bool // it does not move
	fresh   bool // a frame of it was seen since the last decision, not only a list that has it
	claimed bool // it is announced, or will be: this VTEP has it
	seq     uint32
	epoch   uint32 // of the list that it was last in
	addrs   map[netip.Addr]struct{}
}

// localAddr is an IP address that a local MAC address has.
type localAddr struct {
	flags bgp.NeighbourFlags
	fresh bool   // as of a localMAC
	epoch uint32 // as of a localMAC
}

// MAC is a MAC address that the data plane sees behind a link's port, or no longer.
type MAC struct {
	Link   string
	MAC    bgp.MAC
	Sticky bool
	Gone   bool
}

// Addr is an IP address that a host behind a link's port has, or no longer.
type Addr struct {
	Link  string
	MAC   bgp.MAC
	Addr  netip.Addr
	Flags bgp.NeighbourFlags
	Gone  bool
}

// HandleMAC takes what the data plane says of a MAC address. That it is there means that a frame
// of it was seen, unless the data plane lists what it has (BeginList).
func (a *Agent) HandleMAC(m MAC) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.links[m.Link]
	if l == nil || !isHost(m.MAC) {
		return
	}
	e := l.mac(m.MAC)
	l.touchMAC(m.MAC)
	a.poke()
	if m.Gone {
		if e.local != nil {
			a.dropLocal(l, m.MAC, e)
		}
		return
	}
	if e.local == nil {
		e.local = &localMAC{}
	}
	if e.installed() != (remote{}) { // a local address is no remote's in the data plane
		e.install(unknownRemote())
	}
	e.local.sticky, e.local.epoch = m.Sticky, a.epoch
	if !a.listing {
		e.local.fresh = true
	}
}

// dropLocal takes a MAC address that is no longer behind the port, with its addresses.
func (a *Agent) dropLocal(l *link, m bgp.MAC, e *macEntry) {
	for ip := range e.local.addrs {
		a.dropLocalAddr(l, m, ip)
	}
	e.local = nil
	l.touchMAC(m)
}

// HandleAddr takes what the data plane says of an IP address of a host. A host's MAC address is
// known before.
func (a *Agent) HandleAddr(n Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.links[n.Link]
	if l == nil || !isHost(n.MAC) || !isHostAddr(n.Addr) {
		return
	}
	n.Addr = n.Addr.Unmap()
	e, m := l.addr(n.Addr), l.mac(n.MAC)
	l.touchAddr(n.Addr)
	l.touchMAC(n.MAC)
	a.poke()
	if n.Gone {
		a.dropLocalAddr(l, n.MAC, n.Addr)
		if m.local != nil {
			delete(m.local.addrs, n.Addr)
		}
		return
	}
	if m.local == nil { // it aged in between: its addresses go with it
		return
	}
	la := e.local[n.MAC]
	if la == nil {
		la = &localAddr{}
		if e.local == nil {
			e.local = map[bgp.MAC]*localAddr{}
		}
		e.local[n.MAC] = la
		if m.local.addrs == nil {
			m.local.addrs = map[netip.Addr]struct{}{}
		}
		m.local.addrs[n.Addr] = struct{}{}
	}
	la.flags, la.epoch = n.Flags, a.epoch
	if !a.listing {
		la.fresh = true
	}
}

func (a *Agent) dropLocalAddr(l *link, m bgp.MAC, ip netip.Addr) {
	delete(l.addr(ip).local, m)
	a.unexport(l, exportKey{m, ip})
	l.touchAddr(ip)
}

// isHostAddr reports whether an address can be a host's that others ask for.
func isHostAddr(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() && a.Zone() == "" && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
