package vtep

import (
	"cmp"
	"fmt"
	"net/netip"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep/forward"
)

// Question is a frame whose way is to be explained.
type Question struct {
	// Link is the link, or the trunk port, whose port the frame comes from; of a packet the
	// link that it is for, or "" for any that has its VNI.
	Link string
	// Frame is the Ethernet frame; of a trunk port with its tag.
	Frame []byte
	// From is the outer source address of a packet; invalid: the frame comes from the port.
	From netip.Addr
	// Payload is the packet's UDP payload; nil: a VXLAN header and Frame.
	Payload []byte
	VNI     *encap.VNI // of the header that is made; nil: the link's
	TOS     uint8      // outer TOS or traffic class
}

// Explanation is what the data path does with a frame, and why.
type Explanation struct {
	Steps   []Step
	Drops   []forward.DropReason // why the frame, or copies of it, went no further: each reason once
	Dropped bool                 // the frame goes nowhere
	Verdict string
}

// Step is one step of the data path.
type Step struct {
	Name, Text string
	Drop       *forward.DropReason // the frame, or this copy of it, ends here
}

// Explain tells what the data path would do with a frame, step by step. The data path itself
// decides, with copies of its tables (forward.Link.Rehearse): nothing is sent, learned or
// counted. What the network would do is asked of the host's routes.
func (v *VTEP) Explain(q Question) (Explanation, error) {
	if q.From.IsValid() {
		return v.explainPacket(&q)
	}
	v.mu.Lock()
	l, err := v.find(q.Link)
	t, noTrunk := v.findTrunk(q.Link)
	v.mu.Unlock()
	switch {
	case err == nil:
		return v.explainFrame(l, q.Frame, l.Rehearse(encap.Frame{Data: q.Frame}, v.stage(l))), nil
	case noTrunk == nil:
		c := t.RehearseTagged(v.plane, q.Frame, trunkStage{v})
		return v.explainFrame(v.linkOf(c.Link), q.Frame, c), nil
	}
	return Explanation{}, err
}

func (v *VTEP) explainPacket(q *Question) (Explanation, error) {
	v.mu.Lock()
	ep, l, err := v.endpointFor(q)
	v.mu.Unlock()
	if err != nil {
		return Explanation{}, err
	}
	d := &encap.Datagram{Payload: q.Payload, Src: encap.AddrFrom(q.From), TOS: q.TOS, TTL: 255}
	if i, err := v.host.RouteTo(q.From, ""); err == nil {
		d.Device = uint32(i.Interface) // where an answer leaves, packets come by mostly
	}
	if d.Payload == nil {
		h := encap.HeaderFor(cmp.Or(value(q.VNI), l.State.Load().Learned.VNI))
		d.Payload = append(h[:], q.Frame...)
	}
	c := ep.Rehearse(d, v.stage(l))
	return v.explainDatagram(d, v.linkOf(c.Link), c), nil
}

func value(v *encap.VNI) encap.VNI {
	if v == nil {
		return 0
	}
	return *v
}

// endpointFor is where a packet arrives, and a link there. The caller holds v.mu.
func (v *VTEP) endpointFor(q *Question) (*endpoint, *link, error) {
	if q.Link != "" {
		l, err := v.find(q.Link)
		if err != nil {
			return nil, nil, err
		}
		if len(l.endpoints) == 0 {
			return nil, nil, invalid("link %s has no socket yet: %v", q.Link, l.missing)
		}
		return l.endpoints[0], l, nil
	}
	vni := value(q.VNI)
	if h, ok := encap.DecodeHeader(q.Payload); ok {
		vni = h.VNI
	}
	var some *link // any link's socket gives a packet of a VNI that no link has
	for _, l := range v.byIndex() {
		for _, ep := range l.endpoints {
			if to := ep.listener(vni); to != nil {
				return ep, to, nil
			}
			some = l
		}
	}
	if some != nil {
		return some.endpoints[0], some, nil
	}
	return nil, nil, fmt.Errorf("%w: there is no link that could take a packet", ErrNoLink)
}

// linkOf is the link that has l; nil: none.
func (v *VTEP) linkOf(l *forward.Link) *link {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, of := range v.links {
		if of.Link == l {
			return of
		}
	}
	return nil
}

// stage is the network of a rehearsal: what the host's routes say of packets of a link.
type stage struct {
	host  Host
	vrf   string
	zones map[uint32]underlay.Device
	lanes [3]stageLane // by forward.Lane
	link  *forward.State
}

type stageLane struct {
	df    underlay.DFMode
	ports []uint16
	local netip.Addr
}

func (v *VTEP) stage(l *link) *stage {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := &stage{host: v.host, vrf: l.vrf, link: l.State.Load()}
	if o := v.seen.Load(); o != nil {
		s.zones = o.Devices
	}
	for i, tx := range []*sender{l.senders[0], l.senders[1], l.fragments} {
		if tx != nil {
			s.lanes[i] = stageLane{tx.key.DF, tx.ports, tx.key.Local}
		}
	}
	return s
}

// route is the route of a packet.
func (s *stage) route(dst encap.Addr, zone uint32) (underlay.Route, error) {
	device := s.vrf
	if zone != 0 {
		device = s.zones[zone].Name
	}
	return s.host.RouteTo(dst.Netip(), device)
}

// Send serves forward.Network.
func (s *stage) Send(l *forward.Link, lane forward.Lane, p *encap.Packet) encap.SendResult {
	route, err := s.route(p.Dst, p.Zone)
	if err != nil {
		return encap.SendUnreachable
	}
	mtu := route.MTU
	if path, ok := s.PathMTU(l, p.Dst); ok {
		mtu = min(mtu, path)
	}
	if s.lanes[lane].df == underlay.DFSet && mtu > 0 && encap.OuterLen(encap.LargestFrame(&p.Frame), !p.Dst.Is4()) > mtu {
		return encap.SendTooBig
	}
	return encap.SendOK
}

// PathMTU serves forward.Network.
func (s *stage) PathMTU(_ *forward.Link, dst encap.Addr) (int, bool) {
	return s.link.TX[0].PathMTU(dst)
}

// trunkStage is the network of a frame of a trunk port, by the link that it turns out to be of.
type trunkStage struct{ v *VTEP }

func (t trunkStage) Send(l *forward.Link, lane forward.Lane, p *encap.Packet) encap.SendResult {
	return t.v.stage(t.v.linkOf(l)).Send(l, lane, p)
}

func (t trunkStage) PathMTU(l *forward.Link, dst encap.Addr) (int, bool) {
	return t.v.stage(t.v.linkOf(l)).PathMTU(l, dst)
}
