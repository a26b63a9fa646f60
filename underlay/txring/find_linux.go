package txring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
)

// round is one look at several paths: what it asks the kernel for holds for all of them.
type round struct {
	*Rings
	devices    map[int]*device
	neighbours map[neighboursOf]map[netip.Addr]encap.MAC
}

type neighboursOf struct{ device, family int }

// device is one that packets leave by; why says why a ring's must not.
type device struct {
	mac encap.MAC
	why error
}

func (r *Rings) round() *round {
	return &round{r, make(map[int]*device), make(map[neighboursOf]map[netip.Addr]encap.MAC)}
}

// look finds out about a path.
func (r *round) look(key pathKey) *path {
	h := &path{key: key}
	if err := r.find(h); err != nil {
		h.why = err.Error()
	}
	return h
}

// find asks for what the kernel would do with a socket's packet.
func (r *round) find(h *path) error {
	dst := h.key.dst.Netip()
	switch {
	case !dst.IsValid() || dst.IsMulticast() || dst.IsUnspecified():
		return errors.New("it is no unicast address")
	case dst.Is6() && dst.IsLinkLocalUnicast():
		return errors.New("it is a link-local address")
	}
	chosen, err := r.route(&h.key, 0)
	if err != nil {
		return err
	}
	// The answer about a packet has one next hop, the entry has all.
	entry, err := r.route(&h.key, unix.RTM_F_FIB_MATCH)
	switch {
	case err != nil:
		return err
	case chosen.kind != unix.RTN_UNICAST:
		return errors.New("the route is none to another host")
	case entry.several:
		return errors.New("the route has several next hops")
	case entry.object && entry.device == 0:
		return errors.New("the route's next hop is an object, which may be several: the kernel shows its parts where net.ipv4.nexthop_compat_mode is 1")
	case chosen.encapsulated || entry.encapsulated:
		return errors.New("the route puts packets in another tunnel")
	}
	// What a connected socket says below is of packets without a device or TOS of their own.
	if plain := h.key; plain.zone != 0 || plain.dscp != 0 {
		plain.zone, plain.dscp = 0, 0
		if is, err := r.route(&plain, 0); err != nil || is != chosen {
			return errors.New("the route depends on the device that the link names, or on the TOS")
		}
	}
	h.dev, h.hop, h.metric = chosen.device, chosen.via, chosen.hops
	if !h.hop.IsValid() {
		h.hop = dst
	}
	d := r.device(h.dev)
	if d.why != nil {
		return d.why
	}
	s, err := underlay.ConnectedTo(h.key.local, h.key.dst, h.key.port, h.metric)
	if err != nil {
		return err
	}
	h.src, h.mtu, h.hops = s.Source, s.MTU, s.HopLimit
	mac, ok, err := r.neighbour(h.dev, h.hop)
	switch {
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("the neighbour %s is not known yet", h.hop)
	}
	h.head = newHead(&h.key, h.src, h.hops, d.mac, mac)
	return nil
}

// device asks for one, once a round.
func (r *round) device(index int) *device {
	d := r.devices[index]
	if d == nil {
		d = new(device)
		d.mac, d.why = r.ethernet(index)
		r.devices[index] = d
	}
	return d
}

// ethernet is the address of a device that takes Ethernet frames to neighbours.
func (r *round) ethernet(index int) (mac encap.MAC, err error) {
	l, err := r.handle.LinkByIndex(index)
	if err != nil {
		return mac, fmt.Errorf("device %d: %w", index, err)
	}
	a := l.Attrs()
	switch {
	case a.EncapType != "ether" || len(a.HardwareAddr) != len(mac) || a.Flags&(net.FlagLoopback|net.FlagPointToPoint) != 0 || a.RawFlags&unix.IFF_NOARP != 0:
		return mac, fmt.Errorf("device %s is no Ethernet device with neighbours", a.Name)
	case l.Type() == "vrf" || a.Slave != nil && a.Slave.SlaveType() == "vrf":
		return mac, fmt.Errorf("device %s is of a VRF", a.Name)
	}
	return encap.MAC(a.HardwareAddr), nil
}

// usable are the states in which a neighbour's address is used (NUD_VALID in include/net/neighbour.h).
const usable = unix.NUD_PERMANENT | unix.NUD_NOARP | unix.NUD_REACHABLE | unix.NUD_PROBE | unix.NUD_STALE | unix.NUD_DELAY

// neighbour is the address of a neighbour.
func (r *round) neighbour(dev int, hop netip.Addr) (encap.MAC, bool, error) {
	of := neighboursOf{dev, unix.AF_INET}
	if hop.Is6() {
		of.family = unix.AF_INET6
	}
	all, asked := r.neighbours[of]
	if !asked {
		list, err := r.handle.NeighList(dev, of.family)
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) { // a message tells what changed meanwhile
			return encap.MAC{}, false, fmt.Errorf("neighbours: %w", err)
		}
		all = make(map[netip.Addr]encap.MAC, len(list))
		for i := range list {
			if at, mac, ok := neighbourOf(&list[i]); ok {
				all[at] = mac
			}
		}
		r.neighbours[of] = all
	}
	mac, ok := all[hop]
	return mac, ok, nil
}

// neighbourOf is the address of a neighbour that is usable.
func neighbourOf(n *netlink.Neigh) (at netip.Addr, mac encap.MAC, ok bool) {
	at, ok = netip.AddrFromSlice(n.IP)
	if at = at.Unmap(); !ok || n.State&usable == 0 || len(n.HardwareAddr) != len(mac) {
		return at, mac, false
	}
	return at, encap.MAC(n.HardwareAddr), true
}

// route is what the kernel says of a route.
type route struct {
	kind         uint8
	device       int
	via          netip.Addr // invalid: the remote is a neighbour itself
	hops         int        // metric, 0 for none
	several      bool
	object       bool // the next hop is one of `ip nexthop`
	encapsulated bool
}

// Attributes that package unix has not (include/uapi/linux/rtnetlink.h).
const (
	rtaVia       = 18
	rtaEncap     = 22
	rtaNextHop   = 30 // RTA_NH_ID
	rtaxHopLimit = 10
)

// route asks for the route of a packet, by its TOS as well, which package netlink has no word for.
func (r *round) route(key *pathKey, flags uint32) (route, error) {
	msg := &nl.RtMsg{}
	family, dst, local := uint8(unix.AF_INET), key.dst[12:], key.local[12:]
	if !key.dst.Is4() {
		family, dst, local = unix.AF_INET6, key.dst[:], key.local[:]
	}
	bits := uint8(len(dst) * 8)
	msg.Family, msg.Dst_len, msg.Tos, msg.Flags = family, bits, key.dscp, flags
	req := nl.NewNetlinkRequest(unix.RTM_GETROUTE, 0)
	req.Sockets = r.sockets
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.RTA_DST, dst))
	if key.local != (encap.Addr{}) {
		msg.Src_len = bits
		req.AddData(nl.NewRtAttr(unix.RTA_SRC, local))
	}
	if key.zone != 0 {
		req.AddData(nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(key.zone)))
	}
	answer, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWROUTE)
	switch {
	case err != nil:
		return route{}, fmt.Errorf("there is no route: %w", err)
	case len(answer) != 1:
		return route{}, errors.New("there is no route")
	}
	return parseRoute(answer[0])
}

// parseRoute reads a message RTM_NEWROUTE.
func parseRoute(m []byte) (out route, err error) {
	if len(m) < unix.SizeofRtMsg {
		return out, errors.New("the kernel's answer is too short")
	}
	attrs, err := nl.ParseRouteAttr(m[unix.SizeofRtMsg:])
	if err != nil {
		return out, fmt.Errorf("route: %w", err)
	}
	out.kind = nl.DeserializeRtMsg(m).Type
	for _, a := range attrs {
		switch v := a.Value; a.Attr.Type &^ unix.NLA_F_NESTED {
		case unix.RTA_OIF:
			out.device = int(binary.NativeEndian.Uint32(v))
		case unix.RTA_GATEWAY:
			out.via, _ = netip.AddrFromSlice(v)
		case rtaVia: // family, then the address
			if len(v) > 2 {
				out.via, _ = netip.AddrFromSlice(v[2:])
			}
		case unix.RTA_MULTIPATH:
			out.several = true
		case rtaNextHop:
			out.object = true
		case rtaEncap:
			out.encapsulated = true
		case unix.RTA_METRICS:
			metrics, err := nl.ParseRouteAttr(v)
			if err != nil {
				return out, fmt.Errorf("route: %w", err)
			}
			for _, metric := range metrics {
				if metric.Attr.Type == rtaxHopLimit && len(metric.Value) >= 4 {
					out.hops = int(binary.NativeEndian.Uint32(metric.Value))
				}
			}
		}
	}
	return out, nil
}
