package tunnelgso

import (
	"sync/atomic"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
)

// Transmitter sends as its underlay.Transmitter does, and superframes the way's where they have one.
type Transmitter struct {
	*underlay.Transmitter
	way   *Way
	why   string // none of its packets takes the way; "": some may
	local encap.Addr
	v6    bool
	zero  bool // checksums
	ports []uint16

	sent   atomic.Uint64 // superframes that took the way
	closed atomic.Bool
}

// Transmitter has t take the way. c is what t was opened with.
func (w *Way) Transmitter(t *underlay.Transmitter, c *underlay.TransmitterConfig) *Transmitter {
	g := &Transmitter{Transmitter: t, way: w, v6: c.V6, zero: c.NoChecksum, ports: t.Ports()}
	if c.Local.IsValid() && !c.Local.IsUnspecified() {
		g.local = encap.AddrFrom(c.Local)
	}
	switch {
	case c.InPieces:
		g.why = "the link says samehost none, as its remotes may: they would not take it"
	case c.NoSegment:
		g.why = "UDP segmentation is switched off"
	case c.DF == underlay.DFUnset:
		g.why = "packets without DF do not take it"
	case c.Device != "":
		g.why = "packets of a VRF do not take it"
	}
	return g
}

// WriteBatch is that of the underlay's Transmitter. Order within a flow holds between both ways: what
// stands before a superframe is sent before it, and neither way queues packets of its own.
func (t *Transmitter) WriteBatch(p []encap.Packet) error {
	if t.why != "" || !t.way.follows || t.closed.Load() {
		return t.Transmitter.WriteBatch(p)
	}
	if t.v6 && t.way.labels {
		t.label(p)
	}
	from := 0
	for i := range p {
		q := &p[i]
		if q.Frame.Offload.Kind != encap.GSOTCPv4 && q.Frame.Offload.Kind != encap.GSOTCPv6 {
			continue
		}
		h, s, ok := t.path(q)
		if !ok {
			continue
		}
		whole, timed := h.trial.turn(len(q.Frame.Data))
		if !whole && !timed {
			continue
		}
		if i > from {
			if err := t.Transmitter.WriteBatch(p[from:i]); err != nil {
				return t.refuse(p[i:], err)
			}
		}
		from = i
		if timed {
			if err := t.try(h, p[i:i+1], s, whole); err != nil {
				return t.refuse(p[i:], err)
			}
			from++
		} else if t.write(h, q, s) {
			from++
		}
	}
	if from == len(p) {
		return nil
	}
	return t.Transmitter.WriteBatch(p[from:])
}

// refuse says of packets that a closed transmitter does not send them.
func (t *Transmitter) refuse(p []encap.Packet, err error) error {
	for i := range p {
		p[i].Result = encap.SendRefused
	}
	return err
}

// path is the way of p; false: it is not to be taken.
func (t *Transmitter) path(p *encap.Packet) (*path, superframe, bool) {
	key := pathKey{local: t.local, dst: p.Dst, zone: p.Zone, port: p.Port, noChecksum: t.zero}
	h := t.way.paths.of(&key)
	if h == nil {
		t.way.want(key)
		return nil, superframe{}, false
	}
	if !h.used.Load() {
		h.used.Store(true)
	}
	if h.why != "" || h.ttl(p) == 255 {
		return nil, superframe{}, false
	}
	s, ok := whole(p)
	return h, s, ok && h.fits(p, s)
}

// write sends p along h. What the TAP does not take leaves by a socket.
func (t *Transmitter) write(h *path, p *encap.Packet, s superframe) bool {
	var b header
	b.build(h, p, s, t.port(p))
	if !t.way.write(b.b[:b.n], p.Frame.Data) {
		return false
	}
	p.Result = encap.SendOK
	t.sent.Add(1)
	return true
}

// try sends p, which is one superframe, either way, and has the path's trial know what time that took.
func (t *Transmitter) try(h *path, p []encap.Packet, s superframe, whole bool) (err error) {
	start := time.Now()
	if !whole || !t.write(h, &p[0], s) {
		err = t.Transmitter.WriteBatch(p)
	}
	h.trial.took(time.Since(start), len(p[0].Frame.Data))
	return err
}

// port is the source port of p, which the sender of package underlay gives it as well.
func (t *Transmitter) port(p *encap.Packet) uint16 {
	return t.ports[uint64(p.Hash)*uint64(len(t.ports))>>32]
}

// label gives packets the flow label that both ways send.
func (t *Transmitter) label(p []encap.Packet) {
	for i := range p {
		if p[i].FlowLabel == 0 {
			p[i].FlowLabel = underlay.FlowLabel(t.way.seed, &p[i].Dst, t.port(&p[i]))
		}
	}
}

// Close closes the sockets; no superframe leaves whole from then on.
func (t *Transmitter) Close() error {
	t.closed.Store(true)
	return t.Transmitter.Close()
}

// Offloads is what is in use at present.
func (t *Transmitter) Offloads() underlay.Offloads {
	o := t.Transmitter.Offloads()
	o.Tunnelled = t.sent.Load()
	if o.TunnelReason = t.why; t.why == "" {
		o.Tunnel, o.TunnelRefused, o.TunnelReason = t.way.state(t)
	}
	return o
}
