package vtep

import (
	"fmt"
	"net/netip"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/internal/fault"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep/forward"
)

// endpoint is one local address and port of the underlay with the links whose
// packets arrive there. All links of one address and port share it.
type endpoint struct {
	vtep     *VTEP
	key      endpointKey
	receiver Receiver
	sockets  int            // of the receiver, but for that of links set aside
	gate     *underlay.Gate // nil: the kernel filters nothing
	*forward.Endpoint

	users map[*Link]encap.VNI // and what they are published as; guarded by VTEP.mu, as the next three
	byVNI map[encap.VNI]*Link // as vnis has them
	other *endpoint           // as wild has it
	told  string              // why its offload fell back, as logged

	looked    uint64 // messages, at the last look for storms; guarded by VTEP.mu, as the rest is
	asides    int    // links that are set aside
	asideOpen bool   // there is a socket for them
	asideErr  error  // there can be none

	losses   losses
	working  atomic.Int32 // workers that have not ended
	draining atomic.Bool

	singly fdb.Tick // does without UDP_GRO until then; 0: no. It does not change.
}

// endpointKey is what makes two links share an endpoint.
type endpointKey struct {
	local         netip.Addr // invalid: every address
	group         netip.Addr // valid: hears this group and nothing else
	dev           int        // interface that the group is joined on; 0: by route
	vrf           string     // VRF device that the link's device is or belongs to
	vrfIndex      int        // that device's: it may be replaced by another of its name
	port          uint16
	v6            bool
	zeroChecksum6 bool
}

// listener is the link that link is of, nil if there is none. The caller holds VTEP.mu.
func (ep *endpoint) listener(vni encap.VNI) *Link {
	if l := ep.byVNI[vni]; l != nil {
		return l
	}
	if ep.other != nil {
		return ep.other.byVNI[vni]
	}
	return nil
}

// endpointKeys are the endpoints that a link with configuration c listens on:
// its unicast one and, while it is up, its group's. A socket bound to a unicast
// address hears no multicast, and one bound to the group address hears that
// group only. dev is c.Dev, if there is one: a VRF's packets are heard by a
// socket of the VRF (vxlan_sock_add in drivers/net/vxlan/vxlan_core.c).
func (c *LinkConfig) endpointKeys(dev underlay.Interface, up bool) []endpointKey {
	key := endpointKey{
		vrf:           dev.VRF,
		vrfIndex:      dev.VRFIndex,
		local:         c.source(),
		port:          c.dstPort(),
		v6:            c.ipv6(),
		zeroChecksum6: c.UDP6ZeroCsumRx && c.ipv6(),
	}
	keys := []endpointKey{key}
	if c.Group.IsValid() && up {
		key.local, key.group, key.dev = netip.Addr{}, c.Group, dev.Index
		keys = append(keys, key)
	}
	return keys
}

// join makes l a user of the endpoint for key, and opens it if l is the first.
// Its packets are given to l from publish on. The caller holds v.mu.
func (v *VTEP) join(l *Link, key endpointKey) (*endpoint, error) {
	ep := v.endpoints[key]
	if ep != nil {
		if err := ep.admits(l); err != nil {
			return nil, err
		}
		ep.users[l] = l.cfg.VNI
		return ep, nil
	}
	twin := key
	twin.zeroChecksum6 = !key.zeroChecksum6
	if other := v.endpoints[twin].userBut(l); other != nil {
		// Two sockets of one address would get each a part of the packets.
		return nil, fmt.Errorf("%w: link %s is on the same address and port and differs in udp6zerocsumrx; set it alike, or use another dstport",
			ErrExist, other.cfg.Name)
	}
	ep, err := v.open(key, nil, 0)
	if err != nil {
		return nil, err
	}
	ep.users[l] = l.cfg.VNI
	v.serve(ep)
	return ep, nil
}

// open opens an endpoint for key, with the links of the one that it takes the place
// of, if there is one, and without UDP_GRO until singly, if that is not 0. The caller
// holds v.mu.
func (v *VTEP) open(key endpointKey, instead *endpoint, singly fdb.Tick) (*endpoint, error) {
	v.findOrigins()
	gate, err := v.filter.Gate(key.v6)
	if err != nil {
		v.log.Warn("strangers at an underlay socket are received before they are dropped", "port", key.port, "reason", err)
	}
	ep := &endpoint{
		vtep: v, key: key, gate: gate, Endpoint: forward.NewEndpoint(v.plane), singly: singly,
		users: make(map[*Link]encap.VNI), byVNI: make(map[encap.VNI]*Link),
	}
	if instead != nil {
		ep.inherit(instead)
	}
	ep.receiver, ep.sockets, err = v.host.Listen(underlay.ReceiverConfig{
		Local:         key.local,
		V6:            key.v6,
		Port:          key.port,
		Group:         key.group,
		Interface:     key.dev,
		Device:        key.vrf,
		Workers:       v.workers,
		ZeroChecksum6: key.zeroChecksum6,
		NoGRO:         v.off.UDPGRO || singly != 0,
		Spin:          v.spin,
		Filter:        gate,
	})
	if err != nil {
		_ = gate.Close()
		if key.group.IsValid() && key.dev == 0 {
			err = fmt.Errorf("%w: say with dev which device the group is on", err)
		}
		return nil, err
	}
	return ep, nil
}

// serve starts the workers of ep. The caller holds v.mu.
func (v *VTEP) serve(ep *endpoint) {
	v.endpoints[ep.key] = ep
	v.findWild() // packets of its links arrive here from now on
	ep.working.Store(int32(ep.sockets))
	for n := range ep.sockets {
		v.spawn(func() {
			defer ep.ended()
			fault.Restart(v.log, "a socket's worker", v.pause, func() { ep.readSocket(n, n) })
		})
	}
}

// admits refuses a link whose VNI another user of ep has.
func (ep *endpoint) admits(l *Link) error {
	if u := ep.byVNI[l.cfg.VNI]; u != nil && u != l {
		return fmt.Errorf("%w: link %s has VNI %d on the same address and port", ErrExist, u.cfg.Name, l.cfg.VNI)
	}
	return nil
}

// userBut is a user of ep other than l, nil if there is none. ep may be nil.
func (ep *endpoint) userBut(l *Link) *Link {
	if ep != nil {
		for u := range ep.users {
			if u != l {
				return u
			}
		}
	}
	return nil
}

// leave ends l's use of ep and closes it after its last user. What has arrived
// there for l, where it goes on elsewhere, and for links of the wildcard is
// forwarded yet.
func (v *VTEP) leave(l *Link, ep *endpoint) {
	vni := ep.users[l]
	delete(ep.users, l)
	ep.leaveAside(l)
	if (l.gone || len(ep.users) > 0) && ep.byVNI[vni] == l {
		ep.setLink(vni, nil)
	}
	if len(ep.users) > 0 {
		return
	}
	delete(v.endpoints, ep.key)
	v.findWild()
	if l.gone && ep.other == nil {
		ep.close()
		return
	}
	v.retire(ep)
}

// retire has what arrived at ep forwarded and then closes it. The caller holds v.mu.
func (v *VTEP) retire(ep *endpoint) {
	ep.draining.Store(true)
	if err := ep.receiver.Drain(); err != nil {
		v.log.Warn("reading the rest of an underlay socket failed", "err", err)
	}
	if ep.working.Load() == 0 && ep.draining.CompareAndSwap(true, false) {
		ep.close() // the workers were gone before
	}
}

// ended is told by each worker; the last one closes what was drained.
func (ep *endpoint) ended() {
	if ep.working.Add(-1) == 0 && ep.draining.CompareAndSwap(true, false) {
		ep.close()
	}
}

func (ep *endpoint) close() {
	ep.countLosses() // for the last time
	if err := ep.receiver.Close(); err != nil {
		ep.vtep.log.Warn("closing an underlay socket failed", "err", err)
	}
	if err := ep.gate.Close(); err != nil {
		ep.vtep.log.Warn("closing the filter of an underlay socket failed", "err", err)
	}
}

// publish has the endpoints of l give it its packets. l has its state by now.
func (v *VTEP) publish(l *Link) {
	for _, ep := range l.endpoints {
		if ep.admits(l) != nil {
			continue // a VNI that was refused
		}
		if was := ep.users[l]; was != l.cfg.VNI && ep.byVNI[was] == l {
			ep.setLink(was, nil)
		}
		ep.users[l] = l.cfg.VNI
		ep.setLink(l.cfg.VNI, l)
		ep.gate.Settle()
	}
}

// setLink gives the packets of a VNI to l, or to nobody.
func (ep *endpoint) setLink(vni encap.VNI, l *Link) {
	if l == nil {
		delete(ep.byVNI, vni)
		ep.SetLink(vni, nil)
		ep.gate.DropVNI(vni)
	} else {
		ep.byVNI[vni] = l
		ep.SetLink(vni, l.Link)
		ep.gate.SetVNI(vni, l.filter.rule)
	}
}

// findWild tells each endpoint of one address which one has every address. What
// arrives at that address is heard there alone, so that the two need not agree about
// checksums of zero: for this address the endpoint's own word holds.
func (v *VTEP) findWild() {
	for key, ep := range v.endpoints {
		var other *endpoint
		if key.local.IsValid() && !key.group.IsValid() {
			key.local = netip.Addr{}
			if other = v.endpoints[key]; other == nil {
				key.zeroChecksum6 = !key.zeroChecksum6
				other = v.endpoints[key]
			}
		}
		ep.setWild(other)
	}
}

// setWild has ep serve the links of other, too, which may be nil.
func (ep *endpoint) setWild(other *endpoint) {
	ep.other = other
	if other == nil {
		ep.Wild.Store(nil)
		ep.gate.SetWild(nil)
		return
	}
	ep.Wild.Store(other.Endpoint)
	ep.gate.SetWild(other.gate)
}
