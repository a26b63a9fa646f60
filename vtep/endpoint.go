package vtep

import (
	"fmt"
	"net/netip"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
)

// endpoint is one local address and port of the underlay with the links whose
// packets arrive there. All links of one address and port share it.
type endpoint struct {
	vtep     *VTEP
	key      endpointKey
	receiver Receiver
	users    []*Link // guarded by VTEP.mu, as told
	told     string  // why its offload fell back, as logged
	vnis     atomic.Pointer[vniMap]
}

// endpointKey is what makes two links share an endpoint.
type endpointKey struct {
	local         netip.Addr // invalid: every address
	group         netip.Addr // valid: hears this group and nothing else
	dev           int        // interface that the group is joined on; 0: by route
	vrf           string     // VRF device that the link's device is or belongs to
	port          uint16
	v6            bool
	zeroChecksum6 bool
}

// vniMap is the immutable VNI table that an endpoint's workers read.
type vniMap struct{ links map[encap.VNI]*Link }

func (m *vniMap) link(vni encap.VNI) *Link { return m.links[vni] }

// endpointKeys are the endpoints that a link with configuration c listens on:
// its unicast one and, while it is up, its group's. A socket bound to a unicast
// address hears no multicast, and one bound to the group address hears that
// group only. dev is c.Dev, if there is one: a VRF's packets are heard by a
// socket of the VRF (vxlan_sock_add in drivers/net/vxlan/vxlan_core.c).
func (c *LinkConfig) endpointKeys(dev underlay.Interface, up bool) []endpointKey {
	key := endpointKey{
		vrf:           dev.VRF,
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
// The caller holds v.mu and calls publish when it is done.
func (v *VTEP) join(l *Link, key endpointKey) (*endpoint, error) {
	ep := v.endpoints[key]
	if ep != nil {
		for _, u := range ep.users {
			if u != l && u.cfg.VNI == l.cfg.VNI {
				return nil, fmt.Errorf("%w: link %s has VNI %d on the same address and port", ErrExist, u.cfg.Name, l.cfg.VNI)
			}
		}
		ep.users = append(ep.users, l)
		return ep, nil
	}
	twin := key
	twin.zeroChecksum6 = !key.zeroChecksum6
	if ep := v.endpoints[twin]; ep != nil && (len(ep.users) > 1 || ep.users[0] != l) {
		// Two sockets of one address would get each a part of the packets.
		return nil, fmt.Errorf("%w: link %s is on the same address and port and differs in udp6zerocsumrx; set it alike, or use another dstport",
			ErrExist, ep.users[0].cfg.Name)
	}
	r, err := v.host.Listen(underlay.ReceiverConfig{
		Local:         key.local,
		V6:            key.v6,
		Port:          key.port,
		Group:         key.group,
		Interface:     key.dev,
		Device:        key.vrf,
		Workers:       v.workers,
		ZeroChecksum6: key.zeroChecksum6,
		NoGRO:         v.off.UDPGRO,
		Spin:          v.spin,
	})
	if err != nil {
		if key.group.IsValid() && key.dev == 0 {
			err = fmt.Errorf("%w: say with dev which device the group is on", err)
		}
		return nil, err
	}
	ep = &endpoint{vtep: v, key: key, receiver: r, users: []*Link{l}}
	ep.vnis.Store(&vniMap{})
	v.endpoints[key] = ep
	for n := range r.Workers() {
		w := &netWorker{ep: ep, n: n, c: &v.counters[n%len(v.counters)]}
		v.spawn(w.run)
	}
	return ep, nil
}

// leave ends l's use of ep and closes it after its last user.
func (v *VTEP) leave(l *Link, ep *endpoint) {
	for i, u := range ep.users {
		if u == l {
			ep.users = append(ep.users[:i:i], ep.users[i+1:]...)
			break
		}
	}
	if len(ep.users) == 0 {
		delete(v.endpoints, ep.key)
		if err := ep.receiver.Close(); err != nil {
			v.log.Warn("closing an underlay socket failed", "err", err)
		}
	}
}

// publish gives every endpoint its new VNI table. A packet for an address that
// has a socket of its own is heard there and not on the wildcard socket, so
// that an endpoint also serves the links of the wildcard of its port.
func (v *VTEP) publish() {
	for key, ep := range v.endpoints {
		links := make(map[encap.VNI]*Link, len(ep.users))
		wild := key
		wild.local = netip.Addr{}
		if other := v.endpoints[wild]; other != nil && !key.group.IsValid() {
			for _, l := range other.users {
				links[l.cfg.VNI] = l
			}
		}
		for _, l := range ep.users {
			links[l.cfg.VNI] = l
		}
		ep.vnis.Store(&vniMap{links: links})
	}
}
