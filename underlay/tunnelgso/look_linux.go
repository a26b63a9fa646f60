package tunnelgso

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/underlay"
)

// round is one look at several paths: what it asks the kernel for holds for all of them.
type round struct {
	*Way
	links   map[attachment]link.Link // of the probe
	devices map[deviceQuery]error
	socket  int    // for ioctls
	filter  string // what filters packets that this host sends; "": nothing, or it was not asked for
	asked   bool
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
	if err == nil {
		err = r.filtered()
	}
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

// filtered refuses, with Auto, where a firewall filters what this host sends: the kernel forwards what comes by the TAP, so that it would
// not be asked. It looks once a round.
func (r *round) filtered() error {
	if !r.asked && r.mode == Auto {
		r.filter = underlay.SentChains(false)
	}
	if r.asked = true; r.filter != "" {
		return errors.New(r.filter + ", which would not see it")
	}
	return nil
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
	s, err := underlay.ConnectedTo(key.local, key.dst, key.port, route.HopLimit)
	if err != nil {
		return nil, err
	}
	if v6 && s.Source.Netip().IsLinkLocalUnicast() {
		return nil, errors.New("packets from a link-local address are not forwarded")
	}
	h := newPath(key, s.Source, s.MTU, s.HopLimit, r.dev.mac)
	h.devices, h.metric, h.trial = route.Hops, route.HopLimit, newTrial(r.mode)
	return h, nil
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
