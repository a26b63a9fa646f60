package underlay

import "github.com/uvtep/uvtep/encap"

// Origins is what the kernel says of where datagrams may come from.
type Origins struct {
	Devices map[uint32]Device // by index
	// Own are the addresses of this host, each with the index of the device that has
	// it, of several the last.
	Own map[encap.Addr]uint32
}

// Device is what is behind a network device.
type Device struct {
	Origin encap.Origin
	// Martian: the kernel drops what arrives by it with an IPv4 source that is this
	// host's own (fib_validate_source in net/ipv4/fib_frontend.c), which it does
	// unless sysctl accept_local says otherwise.
	Martian bool
	Name    string
}

// Of is the origin of a datagram from src that the kernel says arrived by a
// device. Of one that was looped back it says the device that has the address, or
// that the sender's socket is bound to, and not lo (ip_route_output_key_hash_rcu in
// net/ipv4/route.c, ip6_rcv_core in net/ipv6/ip6_input.c): that one has an own
// address as its source. Over IPv4 nothing else does; over IPv6 the kernel lets
// in what anybody sends with that source, so that its sender is not known.
func (o *Origins) Of(device uint32, src encap.Addr) encap.Origin {
	d := o.Devices[device]
	if d.Origin == encap.OriginHere {
		return encap.OriginHere
	}
	if _, own := o.Own[src]; !own {
		return d.Origin
	}
	if d.Martian && src.Is4() {
		return encap.OriginHere
	}
	return encap.OriginMixed
}
