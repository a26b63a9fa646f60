package txring

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
)

// Transmitter sends as the one behind it does, and by a ring what may leave by one.
type Transmitter struct {
	Behind
	rings    *Rings
	why      string // none of its packets leaves by a ring; "": some may
	local    encap.Addr
	v6, zero bool
	protocol uint16
	ports    []uint16

	sent   atomic.Uint64 // datagrams that left by rings
	rest   atomic.Int32  // calls that leave by sockets unseen
	closed atomic.Bool
}

// Transmitter stands before t, whose source ports are ports. c is what those were opened with.
func (r *Rings) Transmitter(t Behind, ports []uint16, c *underlay.TransmitterConfig) *Transmitter {
	g := &Transmitter{Behind: t, rings: r, v6: c.V6, zero: c.NoChecksum, ports: ports, protocol: unix.ETH_P_IP}
	if c.V6 {
		g.protocol = unix.ETH_P_IPV6
	}
	if c.Local.IsValid() && !c.Local.IsUnspecified() {
		g.local = encap.AddrFrom(c.Local)
	}
	switch {
	case c.DF == underlay.DFUnset:
		g.why = "packets without DF leave by sockets"
	case c.Device != "":
		g.why = "packets of a VRF leave by sockets"
	}
	return g
}

// WriteBatch is that of the transmitter behind. Order within a flow holds: of packets of a flow that come together, none leaves by
// a ring, and neither way queues.
func (t *Transmitter) WriteBatch(p []encap.Packet) error {
	if t.why != "" || t.rings.mode == Off {
		return t.Behind.WriteBatch(p)
	}
	if t.v6 && t.rings.labels {
		t.label(p)
	}
	if len(p) < leastCopies || !t.rings.open.Load() || t.closed.Load() {
		return t.Behind.WriteBatch(p)
	}
	if left := t.rest.Load(); left > 0 { // workers may take the same one
		t.rest.Store(left - 1)
		return t.Behind.WriteBatch(p)
	}
	b := t.rings.borrow()
	if b == nil {
		return t.Behind.WriteBatch(p)
	}
	var err error
	for len(p) > 0 && err == nil {
		n := min(len(p), most)
		err = b.send(t, p[:n])
		p = p[n:]
	}
	for i := range p {
		p[i].Result = encap.SendRefused
	}
	b.busy.Store(false)
	return err
}

// path is the way of p; nil: it leaves by a socket.
func (t *Transmitter) path(p *encap.Packet) *path {
	if p.Frame.Offload.Kind != encap.GSONone || len(p.Frame.More) > 0 || len(p.Frame.Data) == 0 || p.Port == 0 || p.Dst.Is4() == t.v6 {
		return nil
	}
	if !t.v6 && p.TOS&tosPriority != 0 {
		return nil
	}
	key := pathKey{local: t.local, dst: p.Dst, zone: p.Zone, port: p.Port, dscp: p.TOS &^ 3, zero: t.zero}
	h := t.rings.paths.of(&key)
	if h == nil {
		t.rings.want(key)
		return nil
	}
	if !h.takes() || h.head.ipSize(p) > h.mtu || h.head.size(p) > mostPacket {
		return nil
	}
	return h
}

// tosPriority are the bits of TOS by which the kernel gives a socket's packet another priority in the device's queue than a
// ring's (rt_tos2priority in include/net/route.h).
const tosPriority = 0x1c

// port is the source port of p, which a socket gives it as well.
func (t *Transmitter) port(p *encap.Packet) uint16 { return underlay.SourcePort(t.ports, p.Hash) }

// label gives packets the flow label that both ways send.
func (t *Transmitter) label(p []encap.Packet) {
	for i := range p {
		if p[i].FlowLabel == 0 {
			p[i].FlowLabel = underlay.FlowLabel(t.rings.seed, &p[i].Dst, t.port(&p[i]))
		}
	}
}

// Close closes the transmitter behind; nothing leaves by a ring from then on.
func (t *Transmitter) Close() error {
	t.closed.Store(true)
	return t.Behind.Close()
}

// Offloads is what is in use at present.
func (t *Transmitter) Offloads() underlay.Offloads {
	o := t.Behind.Offloads()
	o.Ringed = t.sent.Load()
	if o.RingReason = t.why; t.why == "" {
		o.Ring, o.RingRefused, o.RingReason = t.rings.state(t)
	}
	return o
}
