package vtep

import (
	"fmt"
	"net/netip"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/tap"
)

// linkMTU is the MTU that fits the underlay, and what it was derived from (section 5 of
// docs/conformance.md). more are the remotes of the flood list: they count where the
// configuration has no destination.
func (v *VTEP) linkMTU(c *LinkConfig, more []netip.Addr, routes *routes) (mtu int, source string, err error) {
	if dst := c.destination(); dst.IsValid() {
		more = []netip.Addr{dst}
	}
	dev := v.device(c)
	switch {
	case c.MTU != 0:
		return c.MTU, "mtu", nil
	case dev != "":
		i, err := v.host.Interface(dev)
		if err != nil {
			return 0, "", fmt.Errorf("dev %s: %w", dev, err)
		}
		if i.VRF == dev { // its own MTU says nothing about its slaves'
			mtu, source = routes.least(more, dev), "route in "+dev
		} else {
			mtu, source = routes.fits(i.MTU, 0, i.Over), "dev "+dev
		}
	default:
		mtu, source = routes.least(more, ""), "route"
	}
	if mtu == 0 {
		return DefaultMTU, "default", nil // a route or a remote may come later
	}
	return min(max(mtu-encap.Overhead(c.ipv6()), encap.MinMTU), encap.MaxMTU), source, nil
}

// mtuFrom is what the MTU that the netdev has is from: somebody who set another
// one on it (`ip link set mtu`, ifupdown2) is followed no more. The caller holds
// VTEP.mu.
func (l *link) mtuFrom() string {
	if l.device.MTU != l.derived && l.cfg.Trunk == "" {
		return "device"
	}
	return l.mtuSource
}

// mostRoutes bounds the routes that a link's MTU is derived from. Frames to
// other remotes that do not fit are answered (tooBig).
const mostRoutes = 64

// floodAddrs are the addresses of l's flood list, mostRoutes of them.
func (l *link) floodAddrs() []netip.Addr {
	var addrs []netip.Addr
	for _, r := range l.floodRemotes() {
		addrs = append(addrs, r.Addr.Netip())
	}
	return addrs
}

// followMTU derives the MTU of a link anew, after the route, its device or the flood list
// changed. An MTU that a user set stays, and so does one whose route is gone for the moment.
func (v *VTEP) followMTU(l *link, routes *routes) {
	if !l.updating.TryLock() {
		return // an update is under way; the next sweep looks again
	}
	defer l.updating.Unlock()
	v.mu.Lock()
	c, device, derived, source := l.cfg, l.device, l.derived, l.mtuSource
	gone := l.gone
	v.mu.Unlock()
	if gone || c.MTU != 0 || device.MTU != derived {
		return
	}
	mtu, from, err := v.linkMTU(&c, l.floodAddrs(), routes)
	if err != nil || mtu == derived || from == "default" && source != from {
		return
	}
	if err := l.at.set(mtuChange(mtu)); err != nil {
		l.log.Warn("the MTU that fits the underlay could not be set", "mtu", mtu, "from", from, "err", err)
		return
	}
	v.mu.Lock()
	l.derived, l.mtuSource = mtu, from
	v.mu.Unlock()
	l.log.Info("the MTU follows the underlay", "before", derived, "now", mtu, "from", from)
	_ = v.onDevice(l, true) // on an error the watch reports the change
}

// TxQueueLen is how many frames the kernel keeps for a port's reader. A full TAP drops frames;
// it does not make the sender wait.
const TxQueueLen = 4096

// maxDatagram is the largest UDP payload over IPv4 (RFC 768, RFC 791).
const maxDatagram = 65507

// superframeSize is the netdev's gso_max_size by which a TCP superframe leaves
// in one send: as many segments as fit a UDP payload together with the headers
// that each is given.
func superframeSize(mtu int) int {
	// What the kernel takes off before it counts segments: MAX_TCP_HEADER
	// (include/net/tcp.h) and one (sk_setup_caps in net/core/sock.c).
	const kernelSlack = 320 + 1
	const ipTCP = 40
	segments := maxDatagram / (encap.HeaderLen + encap.EthernetHeaderLen + mtu)
	return min(segments*(mtu-ipTCP)+kernelSlack, 65536)
}

// mtuChange gives a netdev an MTU and the superframes that fit it.
func mtuChange(mtu int) tap.Change {
	size := superframeSize(mtu)
	return tap.Change{MTU: &mtu, GSOMaxSize: &size}
}
