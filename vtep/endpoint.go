package vtep

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/internal/fault"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep/forward"
)

// endpoint is a local address and port of the underlay, with the links whose packets arrive
// there. All links of one address and port share it.
type endpoint struct {
	vtep     *VTEP
	key      endpointKey
	receiver Receiver
	name     string         // of the receiver's descriptors
	sockets  int            // of the receiver, but for that of links set aside
	gate     *underlay.Gate // nil: the kernel filters nothing
	*forward.Endpoint

	// The next fields are guarded by VTEP.mu.
	users     map[*link]encap.VNI // the links, with the VNIs that they were published with
	byVNI     map[encap.VNI]*link // the links that forward.Endpoint has
	other     *endpoint           // the one that forward.Endpoint has as Wild
	logged    string              // why its offload fell back, as last logged
	looked    uint64              // Messages when setAside last looked
	lookedAt  time.Time           // when that was
	overflow  uint64              // datagrams that the sockets had lost then
	minTTL    map[*link]struct{}  // the users with a MinTTL; nil: none
	tellsTTL  bool                // the sockets tell the TTL
	asides    int                 // how many links are set aside
	asideOpen bool                // there is a socket for links set aside
	asideErr  error               // why there is none

	losses   losses
	working  atomic.Int32 // how many workers have not ended
	draining atomic.Bool
	giveWay  atomic.Bool // links that are not set aside hear something: the worker of those that are gives way

	singly fdb.Tick // until when the endpoint does without UDP_GRO; 0: it uses UDP_GRO. Immutable
}

// endpointKey is what makes two links share an endpoint.
type endpointKey struct {
	local         netip.Addr // invalid: every address; a link-local one has its device's index as zone
	group         netip.Addr // valid: the endpoint receives this group and nothing else
	dev           int        // interface that the group is joined on; 0: the route chooses
	vrf           string     // VRF device that the link's device is, or belongs to
	vrfIndex      int        // its index, since another device may get the name
	port          uint16
	v6            bool
	zeroChecksum6 bool
}

// listener is the link that packets for a VNI go to, as in forward.Endpoint; nil: there is
// none. The caller holds VTEP.mu.
func (ep *endpoint) listener(vni encap.VNI) *link {
	if l := ep.byVNI[vni]; l != nil {
		return l
	}
	if ep.other != nil {
		return ep.other.byVNI[vni]
	}
	return nil
}

// endpointKeys are the endpoints that a link with configuration c listens on:
// its unicast one and, while it is up, its group's. A socket that is bound to a unicast
// address receives no multicast, and one bound to the group address receives that group
// only. dev is c.Dev, if there is one: a socket of a VRF receives the VRF's packets
// (vxlan_sock_add in drivers/net/vxlan/vxlan_core.c). A link-local address is bound on that
// device and on vias.
func (c *LinkConfig) endpointKeys(dev underlay.Interface, vias []int, up bool) []endpointKey {
	key := endpointKey{
		vrf:           dev.VRF,
		vrfIndex:      dev.VRFIndex,
		local:         onDevice(c.source(), dev.Index),
		port:          c.dstPort(),
		v6:            c.ipv6(),
		zeroChecksum6: c.UDP6ZeroCsumRx && c.ipv6(),
	}
	keys := []endpointKey{key}
	for _, index := range vias {
		via := key
		via.local = onDevice(c.source(), index)
		keys = append(keys, via)
	}
	if c.Group.IsValid() && up {
		key.local, key.group, key.dev = netip.Addr{}, c.Group, dev.Index
		keys = append(keys, key)
	}
	return keys
}

// join makes l a user of the endpoint for key, and opens the endpoint if l is the first. l
// receives packets from publish on. The caller holds v.mu.
func (v *VTEP) join(l *link, key endpointKey) (*endpoint, error) {
	ep := v.endpoints[key]
	if ep != nil {
		if err := ep.vniFree(l); err != nil {
			return nil, err
		}
		ep.users[l] = l.cfg.VNI
		return ep, nil
	}
	twin := key
	twin.zeroChecksum6 = !key.zeroChecksum6
	if other := v.endpoints[twin].userBut(l); other != nil {
		// Of two sockets with one address each would receive a part of the packets.
		return nil, fmt.Errorf("%w: link %s is on the same address and port and differs in udp6zerocsumrx; set it alike, or use another dstport",
			ErrExist, other.cfg.Name)
	}
	ep, err := v.open(key, v.endpoints[twin], 0) // l's own until now, if there is one
	if err != nil {
		return nil, err
	}
	if _, inherited := ep.users[l]; !inherited {
		ep.users[l] = l.cfg.VNI
	}
	v.serve(ep)
	return ep, nil
}

// open opens an endpoint for key. It takes over the links of instead, where that is not nil,
// and does without UDP_GRO until singly, where that is not 0. Whose packets arrive at its sockets
// from then on is known before they are open: packets of nobody are dropped. The caller holds v.mu.
func (v *VTEP) open(key endpointKey, instead *endpoint, singly fdb.Tick) (*endpoint, error) {
	v.findOrigins()
	gate, err := v.filter.Gate(key.v6)
	if err != nil {
		v.log.Warn("the kernel does not drop packets of strangers at an underlay socket, uvtep receives and drops them", "port", key.port, "reason", err)
	}
	ep := &endpoint{
		vtep: v, key: key, gate: gate, Endpoint: forward.NewEndpoint(v.plane), singly: singly,
		users: make(map[*link]encap.VNI), byVNI: make(map[encap.VNI]*link),
	}
	ep.Port = key.port
	if instead != nil {
		ep.inherit(instead)
	}
	if wild := v.wildOf(key); wild != nil {
		ep.setWild(wild)
	}
	ep.tellsTTL = ep.wantsTTL()
	c := underlay.ReceiverConfig{
		Local:         key.local,
		V6:            key.v6,
		Port:          key.port,
		Group:         key.group,
		Interface:     key.dev,
		Device:        key.vrf,
		Workers:       v.workers,
		ZeroChecksum6: key.zeroChecksum6,
		TTL:           ep.tellsTTL,
		NoGRO:         v.off.UDPGRO || singly != 0,
		Spin:          v.spin,
		Filter:        gate,
	}
	ep.name = socketName(&c)
	if ep.receiver, ep.sockets, err = v.host.Listen(c); err == nil && !v.holding {
		ep.arm()
	}
	if err != nil {
		_ = gate.Close()
		if key.group.IsValid() && key.dev == 0 {
			err = fmt.Errorf("%w: give the group's device with dev", err)
		}
		return nil, err
	}
	return ep, nil
}

// serve starts the workers of ep. The caller holds v.mu.
func (v *VTEP) serve(ep *endpoint) {
	v.endpoints[ep.key] = ep
	v.findWild() // packets of the wildcard's links arrive here from now on
	ep.working.Store(int32(ep.sockets))
	for n := range ep.sockets {
		v.spawn(func() {
			defer ep.ended()
			fault.Restart(v.log, "a socket's worker", v.pause, func() { ep.readSocket(n, n, func() {}) })
		})
	}
}

// vniFree refuses a link whose VNI another user of ep has.
func (ep *endpoint) vniFree(l *link) error {
	if u := ep.byVNI[l.cfg.VNI]; u != nil && u != l {
		return fmt.Errorf("%w: link %s has VNI %d on the same address and port", ErrExist, u.cfg.Name, l.cfg.VNI)
	}
	return nil
}

// userBut is a user of ep other than l; nil: there is none. ep may be nil.
func (ep *endpoint) userBut(l *link) *link {
	if ep != nil {
		for u := range ep.users {
			if u != l {
				return u
			}
		}
	}
	return nil
}

// leave ends l's use of ep, and closes ep after its last user. Packets that have arrived
// there are still forwarded: to l, unless it is gone, and to links of the wildcard.
func (v *VTEP) leave(l *link, ep *endpoint) {
	vni := ep.users[l]
	delete(ep.users, l)
	ep.leaveAside(l)
	if (l.gone || len(ep.users) > 0) && ep.byVNI[vni] == l {
		ep.setLink(vni, nil)
	}
	if len(ep.users) > 0 {
		ep.forgoTTL(l) // else what has arrived is judged by it still
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

// retire drains ep, and closes it when all that arrived was forwarded. The caller holds v.mu.
func (v *VTEP) retire(ep *endpoint) {
	ep.draining.Store(true)
	if err := ep.receiver.Drain(); err != nil {
		v.log.Warn("reading the rest of an underlay socket failed", "err", err)
	}
	if ep.working.Load() == 0 && ep.draining.CompareAndSwap(true, false) {
		ep.close() // no worker is left to do so
	}
}

// ended is called when a worker has ended. The last one closes an endpoint that was drained.
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

// publish makes the endpoints of l give l its packets. l has a State.
func (v *VTEP) publish(l *link) {
	for _, ep := range l.endpoints {
		if ep.vniFree(l) != nil {
			continue // the VNI was refused
		}
		if was := ep.users[l]; was != l.cfg.VNI && ep.byVNI[was] == l {
			ep.setLink(was, nil)
		}
		ep.users[l] = l.cfg.VNI
		ep.setLink(l.cfg.VNI, l)
		ep.gate.Settle()
		if l.cfg.MinTTL == 0 {
			ep.forgoTTL(l)
		}
	}
}

// setLink assigns a VNI to l; nil: to no link.
func (ep *endpoint) setLink(vni encap.VNI, l *link) {
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

// findWild tells each endpoint of one address which endpoint has every address. Packets for
// that address arrive at the former alone, so that the two may differ in whether they accept
// checksums of zero.
func (v *VTEP) findWild() {
	for key, ep := range v.endpoints {
		ep.setWild(v.wildOf(key))
	}
}

// wildOf is the endpoint of every address whose packets for the one of key arrive at key's; nil: there is none.
func (v *VTEP) wildOf(key endpointKey) *endpoint {
	if !key.local.IsValid() || key.group.IsValid() {
		return nil
	}
	key.local = netip.Addr{}
	if other := v.endpoints[key]; other != nil {
		return other
	}
	key.zeroChecksum6 = !key.zeroChecksum6
	return v.endpoints[key]
}

// setWild makes ep serve the links of other as well, which may be nil.
func (ep *endpoint) setWild(other *endpoint) {
	ep.other = other
	if ep.receiver != nil { // else open asks for what is wanted
		if err := ep.tellTTL(); err != nil {
			ep.vtep.log.Warn("packets of links with min_ttl are refused at another link's socket", "port", ep.key.port, "err", err)
		}
	}
	if other == nil {
		ep.Wild.Store(nil)
		ep.gate.SetWild(nil)
		return
	}
	ep.Wild.Store(other.Endpoint)
	ep.gate.SetWild(other.gate)
}
