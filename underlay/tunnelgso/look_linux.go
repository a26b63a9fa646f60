package tunnelgso

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
)

// round is one look at several paths: what it asks the kernel for holds for all of them.
type round struct {
	*Way
	links   map[attachment]link.Link // of the probe
	devices map[deviceQuery]error
	socket  int   // for ioctls
	unable  error // why there is no TAP, once that was tried
}

type deviceQuery struct {
	index              int
	bottom, noChecksum bool
}

// round begins a look; end has to follow.
func (w *Way) round() (*round, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	return &round{Way: w, links: make(map[attachment]link.Link), devices: make(map[deviceQuery]error), socket: fd}, os.NewSyscallError("socket", err)
}

func (r *round) end() {
	for _, l := range r.links {
		_ = l.Close() // its descriptor is gone in any case, and the program with it
	}
	_ = unix.Close(r.socket)
}

// look finds out about a path: route, devices, and whether a packet of the kind arrives at the device.
func (r *round) look(key pathKey) *path {
	h, err := r.find(key)
	if err == nil && !r.open.Load() {
		if err = r.begin(); err == nil {
			h, err = r.find(key)
		}
	}
	if err == nil {
		err = r.probe.try(r.Way, h, r.links)
	}
	if err != nil {
		return &path{key: key, why: err.Error()}
	}
	return h
}

// begin makes the TAP, and says why if it cannot. It tries once a round.
func (r *round) begin() error {
	if r.unable == nil {
		if r.unable = r.make(); r.unable != nil {
			r.say(r.unable.Error(), "")
		}
	}
	return r.unable
}

// find is look without the probe.
func (r *round) find(key pathKey) (*path, error) {
	dst := key.dst.Netip()
	v6 := dst.Is6()
	switch {
	case !dst.IsValid() || dst.IsMulticast() || dst.IsUnspecified():
		return nil, errors.New("it is no unicast address")
	case v6 && dst.IsLinkLocalUnicast():
		return nil, errors.New("packets to a link-local address are not forwarded")
	case v6 && r.without6() != "":
		return nil, errors.New(r.without6())
	}
	route, err := underlay.RouteTo(dst, "")
	switch {
	case err != nil:
		return nil, err
	case route.Local:
		return nil, errors.New("the remote is this host")
	case key.zone != 0 && (int(key.zone) != route.Interface || len(route.Hops) > 1):
		return nil, errors.New("the route leads through another device than the link's")
	}
	if err := r.offloaded(route.Hops, route.Over, key.noChecksum); err != nil {
		return nil, err
	}
	s, err := connected(key, route.HopLimit)
	if err != nil {
		return nil, err
	}
	if v6 && s.src.Netip().IsLinkLocalUnicast() {
		return nil, errors.New("packets from a link-local address are not forwarded")
	}
	h := newPath(key, s.src, s.mtu, s.hops, r.dev.mac)
	h.devices, h.metric, h.trial = route.Hops, route.HopLimit, newTrial(r.mode)
	return h, nil
}

// socketView is what packets of a socket to a remote have.
type socketView struct {
	src  encap.Addr
	mtu  int
	hops uint8
}

// connected asks the kernel by a socket that is connected to the remote. metric is the hop limit of the route, 0 for none.
func connected(key pathKey, metric int) (s socketView, err error) {
	v6 := !key.dst.Is4()
	family, level, freebind, mtu, ttl := unix.AF_INET, unix.IPPROTO_IP, unix.IP_FREEBIND, unix.IP_MTU, unix.IP_TTL
	if v6 {
		family, level, freebind, mtu, ttl = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, unix.IPV6_MTU, unix.IPV6_UNICAST_HOPS
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return s, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if key.local != (encap.Addr{}) {
		err = unix.SetsockoptInt(fd, level, freebind, 1)
		if err == nil {
			err = unix.Bind(fd, sockaddr(key.local, 0))
		}
	}
	if err == nil {
		err = unix.Connect(fd, sockaddr(key.dst, key.port))
	}
	if err != nil {
		return s, fmt.Errorf("a socket has no way there: %w", err)
	}
	own, err := unix.Getsockname(fd)
	if err != nil {
		return s, os.NewSyscallError("getsockname", err)
	}
	switch own := own.(type) {
	case *unix.SockaddrInet4:
		s.src = encap.AddrFrom(netip.AddrFrom4(own.Addr))
	case *unix.SockaddrInet6:
		s.src = own.Addr
	}
	if s.mtu, err = unix.GetsockoptInt(fd, level, mtu); err != nil {
		return s, os.NewSyscallError("getsockopt", err)
	}
	hops, err := unix.GetsockoptInt(fd, level, ttl)
	if err != nil {
		return s, os.NewSyscallError("getsockopt", err)
	}
	if s.hops = uint8(hops); metric != 0 {
		s.hops = uint8(metric)
	}
	return s, nil
}

func sockaddr(a encap.Addr, port uint16) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Port: int(port), Addr: [4]byte(a[12:])}
	}
	return &unix.SockaddrInet6{Port: int(port), Addr: a}
}

// offloaded refuses devices that would have the kernel cut superframes, which is several times slower than a socket: the
// devices of the next hops, and those at the bottom of them.
func (r *round) offloaded(hops []int, over []underlay.Lower, noChecksum bool) error {
	if len(over) == 0 {
		return errors.New("the route has no device")
	}
	for _, index := range hops {
		if err := r.passes(deviceQuery{index, false, noChecksum}); err != nil {
			return err
		}
	}
	for _, o := range over {
		if err := r.passes(deviceQuery{o.Index, true, noChecksum}); err != nil {
			return err
		}
	}
	return nil
}

// passes is device, asked once a round.
func (r *round) passes(q deviceQuery) error {
	err, asked := r.devices[q]
	if !asked {
		err = r.device(q)
		r.devices[q] = err
	}
	return err
}

// device refuses a device that does not pass superframes whole.
func (r *round) device(q deviceQuery) error {
	feature := "tx-udp_tnl-csum-segmentation"
	if q.noChecksum {
		feature = "tx-udp_tnl-segmentation"
	}
	l, err := netlink.LinkByIndex(q.index)
	if err != nil {
		return fmt.Errorf("device %d: %w", q.index, err)
	}
	name := l.Attrs().Name
	active, err := r.features.Active(r.socket, name)
	switch {
	case err != nil:
		return fmt.Errorf("device %s: %w", name, err)
	case !active[feature]:
		return fmt.Errorf("device %s has %s off", name, feature)
	case r.mode == Auto && q.bottom && l.Type() != "veth":
		return fmt.Errorf("device %s is none of those that auto is for (veth)", name)
	case l.Attrs().EncapType != "ether":
		return fmt.Errorf("device %s is no Ethernet device", name)
	}
	return nil
}
