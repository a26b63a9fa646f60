package vtep

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
)

// refresh brings the link's endpoints and transmitters in line with its configuration and its
// netdev, and gives its workers a new snapshot. Other links lose no frame. On an error the
// link keeps what it had, is marked for another try, and forwards with that. The caller
// holds v.mu.
func (v *VTEP) refresh(l *link) error {
	l.retry = true
	dev, err := v.interfaceOf(&l.cfg)
	if err != nil {
		l.followDevice()
		l.missing = fmt.Errorf("dev %s: %w", l.cfg.Dev, err)
		return l.missing
	}
	senders, err := v.takeSenders(l.cfg.transmitterKeys(&dev), dev.VRFIndex)
	if err != nil {
		l.followDevice()
		l.missing = err
		return err
	}
	before := append(slices.Clone(l.senders[:]), l.fragments)
	l.vrf = dev.VRF
	l.senders, l.fragments = senders, v.takeFragments(l, &dev)
	left, err := v.rejoin(l, l.cfg.endpointKeys(dev, l.viaDevices(dev.Index), l.device.Up))
	if err == nil {
		err = l.askTTL()
	}
	own, known := v.ownAddress(&l.cfg)
	if was := l.State.Swap(l.newState(own, dev.Index)); was != nil {
		l.moveDev(v.device(&l.cfg), was.Dev, uint32(dev.Index))
		if was.Dev != uint32(dev.Index) && l.cfg.Dev == "" {
			_ = l.setDefault(v.now()) // a flood list has room
		}
	}
	l.filter.set(l.State.Load())
	v.countSameHost(l)
	v.publish(l)
	for _, ep := range left { // after the new ones receive
		v.leave(l, ep)
	}
	for _, s := range before {
		v.releaseSender(s)
	}
	l.retry = err != nil || !known
	if l.missing = err; !known && err == nil {
		l.missing = errNoGroupSource
	}
	if err == nil && v.noDevice(&l.cfg) { // over IPv6 there is a route for each group
		l.retry, l.missing = true, fmt.Errorf("no device has local %s yet, which says where group %s is: give one the address, or say dev", l.cfg.Local, l.cfg.Group)
	}
	return err
}

// errNoGroupSource is what a link with a group lacks where everything could be opened.
var errNoGroupSource = errors.New("no route to the group tells the source address yet: give local, or an address to the underlay device")

// followDevice brings the snapshot in line with the netdev alone.
func (l *link) followDevice() {
	old := l.State.Load()
	if old == nil {
		return // AddLink has not ended
	}
	s := *old
	s.Up, s.MAC, s.MTU = l.device.Up, l.device.MAC, l.device.MTU
	l.State.Store(&s)
	l.filter.set(&s)
}

// rejoin makes l a user of exactly the endpoints for keys, and returns the old ones, which l
// has to leave. On an error l keeps its old endpoints beside the new ones that could be had.
func (v *VTEP) rejoin(l *link, keys []endpointKey) (left []*endpoint, err error) {
	left = l.endpoints
	l.endpoints = nil
	for i, key := range keys {
		ep := take(&left, key)
		if ep == nil {
			ep, err = v.join(l, key)
		} else if err = ep.vniFree(l); err != nil { // l has another VNI now
			left = append(left, ep)
		}
		if err != nil {
			for _, missing := range keys[i+1:] {
				if ep := take(&left, missing); ep != nil {
					l.endpoints = append(l.endpoints, ep)
				}
			}
			l.endpoints = append(l.endpoints, left...)
			return nil, err
		}
		l.endpoints = append(l.endpoints, ep)
	}
	return left, nil
}

// take removes the endpoint for key from eps and returns it; nil: there is none.
func take(eps *[]*endpoint, key endpointKey) *endpoint {
	for i, ep := range *eps {
		if ep.key == key {
			*eps = append((*eps)[:i:i], (*eps)[i+1:]...)
			return ep
		}
	}
	return nil
}

// ownAddress is the outer source address of a link with a group, by which the link drops its
// own echo (S05 in docs/conformance.md). false: no route tells it yet.
func (v *VTEP) ownAddress(c *LinkConfig) (encap.Addr, bool) {
	if !c.Group.IsValid() {
		return encap.Addr{}, true // with nolocalbypass our own packets are not echoes
	}
	if local := c.source(); local.IsValid() {
		return encap.AddrFrom(local), true
	}
	r, err := v.host.RouteTo(c.Group, c.Dev)
	if err != nil || !r.Source.IsValid() {
		return encap.Addr{}, false
	}
	return encap.AddrFrom(r.Source), true
}

// takeSenders returns the transmitters of both lanes. Links with equal keys share them.
func (v *VTEP) takeSenders(configs [2]underlay.TransmitterConfig, vrf int) (s [2]*sender, err error) {
	for lane, c := range configs {
		if s[lane], err = v.takeSender(senderKey{c, vrf}); err != nil {
			v.releaseSender(s[0])
			return [2]*sender{}, err
		}
	}
	return s, nil
}

// takeFragments returns the transmitter for short frames that a path refuses: the host may
// fragment its packets. nil: the link's own transmitter is such a one, or has all source
// ports, so that such frames stay too big.
func (v *VTEP) takeFragments(l *link, dev *underlay.Interface) *sender {
	if l.cfg.DF == DFUnset {
		return nil
	}
	key := l.cfg.transmitterKeys(dev)[1]
	if l.cfg.DF == DFSet {
		key.DF, key.Sockets, key.NoSegment = underlay.DFUnset, 1, true
	}
	s, err := v.takeSender(senderKey{key, dev.VRFIndex})
	if err != nil {
		l.log.Debug("frames that a path refuses cannot be fragmented", "err", err)
		return nil
	}
	return s
}

func (v *VTEP) takeSender(key senderKey) (*sender, error) {
	key.NoSegment, key.ForceSegment = key.NoSegment || v.off.UDPGSO, v.forceGSO
	s := v.senders[key]
	if s == nil {
		tx, ports, err := v.host.OpenTransmitter(key.TransmitterConfig)
		if err != nil {
			return nil, err
		}
		s = &sender{key: key, tx: tx, ports: ports}
		v.senders[key] = s
		v.noteSources()
	}
	s.users++
	return s, nil
}

// releaseSender ends one use of s, which may be nil, and closes s after the last.
func (v *VTEP) releaseSender(s *sender) {
	if s == nil {
		return
	}
	if s.users--; s.users > 0 {
		return
	}
	delete(v.senders, s.key)
	v.noteSources()
	s.close(v.log)
}

func (s *sender) close(log *slog.Logger) {
	if err := s.tx.Close(); err != nil {
		log.Warn("closing the transmit sockets failed", "err", err)
	}
}
