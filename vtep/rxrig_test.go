package vtep

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"slices"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep/forward"
)

// rxRig is a VTEP whose receive path is called as a worker calls it, batch by
// batch, without sockets.
type rxRig struct {
	t     testing.TB
	v     *VTEP
	ports map[string]*rxPort
	ep    *endpoint
	w     *forward.NetWorker
}

// rxHost opens ports that remember what they were given.
type rxHost struct {
	sink
	join  bool
	ports map[string]*rxPort
}

func (h rxHost) OpenPort(c tap.Config) (Port, Netdev, error) {
	p := &rxPort{sink: h.sink, join: h.join, mtu: c.MTU}
	h.ports[c.Name] = p
	return p, p, nil
}

type rxPort struct {
	sink
	join   bool
	mtu    int
	frames []encap.Frame // copies
	most   int           // of one write
	writes int
	refuse int // so many of the last frames of each write
}

func (p *rxPort) Offloads() (o tap.Offloads) {
	if p.join {
		o.Write = tap.OffloadTSO
	}
	return o
}

func (p *rxPort) State() (tap.State, error) {
	s, err := p.sink.State()
	s.MTU = p.mtu
	return s, err
}

func (p *rxPort) WriteBatch(_ int, frames []encap.Frame) (int, error) {
	p.most = max(p.most, len(frames))
	p.writes++
	frames = frames[:len(frames)-p.refuse]
	for _, f := range frames {
		f.Data = bytes.Clone(f.Data) // VLAN says which
		for _, b := range f.More {
			f.Data = append(f.Data, b...)
		}
		f.More = nil
		p.frames = append(p.frames, f)
	}
	return len(frames), nil
}

// newRxRig makes the links, which join segments or not, and their trunk ports.
func newRxRig(t testing.TB, join bool, links ...LinkConfig) *rxRig {
	t.Helper()
	h := rxHost{sink: sink{make(chan struct{})}, join: join, ports: make(map[string]*rxPort)}
	v := New(Config{Host: h, Log: slog.New(slog.DiscardHandler), Workers: 1})
	t.Cleanup(func() {
		close(h.closed)
		_ = v.Close()
	})
	for _, c := range links {
		if c.Trunk != "" && v.trunks[c.Trunk] == nil {
			must(t, v.AddTrunk(TrunkConfig{Name: c.Trunk, MTU: c.MTU}))
		}
		must(t, v.AddLink(c))
		if c.Trunk != "" {
			must(t, v.SetLinkUp(c.Name, true))
		}
	}
	ep := v.links[links[0].Name].endpoints[0]
	return &rxRig{t: t, v: v, ports: h.ports, ep: ep, w: forward.NewNetWorker(ep.Endpoint, 0)}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hear is what a worker does with a batch.
func (r *rxRig) hear(batch ...encap.Datagram) {
	for i := range batch {
		batch[i].Payload = bytes.Clone(batch[i].Payload)
	}
	r.w.Forward(batch, fdb.Tick(1))
}

// arrived takes what a link's port, or its VLAN of a trunk port, was given,
// superframes as what they stand for.
func (r *rxRig) arrived(link string) []encap.Frame {
	r.t.Helper()
	name, vlan := link, uint16(0)
	if c := r.v.links[link].cfg; c.Trunk != "" {
		name, vlan = c.Trunk, c.VLAN
	}
	p := r.ports[name]
	var all, others []encap.Frame
	for _, f := range p.frames {
		if f.VLAN != vlan {
			others = append(others, f)
			continue
		}
		if f.Offload.Kind == encap.GSONone {
			all = append(all, f)
			continue
		}
		room := make([]byte, 1<<16)
		if !encap.Segment(&f, room, func(s encap.Frame) {
			s.Data = bytes.Clone(s.Data)
			all = append(all, s)
		}) {
			r.t.Errorf("a superframe of %d bytes, %+v, cannot be cut", len(f.Data), f.Offload)
		}
	}
	p.frames = others
	return all
}

func (r *rxRig) stats(link string) forward.Stats { return forward.Sum(r.v.links[link].Shards) }

// udpPacket says what inner UDP packet to make.
type udpPacket struct {
	dst, src     encap.MAC
	sport, dport uint16
	id           uint16
	tos          uint8
	noChecksum   bool
	payload      []byte
}

// build is the frame, over IPv4 without options, checksums right.
func (p udpPacket) build() []byte {
	b := slices.Concat(p.dst[:], p.src[:], []byte{8, 0, 0x45, p.tos, 0, 0, byte(p.id >> 8), byte(p.id), 0x40, 0, 64, encap.ProtoUDP, 0, 0,
		198, 51, 100, 2, 198, 51, 100, 1})
	b = binary.BigEndian.AppendUint16(b, p.sport)
	b = binary.BigEndian.AppendUint16(b, p.dport)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(p.payload)))
	b = append(append(b, 0, 0), p.payload...)
	binary.BigEndian.PutUint16(b[16:], uint16(len(b)-14))
	binary.BigEndian.PutUint16(b[24:], ^encap.Sum(b[14:34]))
	if !p.noChecksum {
		in := encap.ParseInner(b)
		binary.BigEndian.PutUint16(b[40:], encap.PseudoSum(b, &in, len(b)-34))
		f := encap.Frame{Data: b}
		f.Offload, _ = encap.PartialOffload(&in)
		encap.CompleteChecksum(&f)
	}
	return b
}

// vxlan is frame in a packet for vni from an outer source.
func vxlan(src netip.Addr, vni encap.VNI, tos uint8, frame []byte) encap.Datagram {
	h := encap.HeaderFor(vni)
	return encap.Datagram{Payload: append(h[:len(h):len(h)], frame...), Src: encap.AddrFrom(src), SrcPort: 50000, TOS: tos, TTL: 255, Device: byWire}
}

// The devices of a sink.
const (
	byWire   uint32 = 1
	byVeth   uint32 = 2
	byBridge uint32 = 3
	byNobody uint32 = 99 // none that it knows
)

// train is what UDP_GRO makes of datagrams of one flow, which must be equally long
// but for a shorter last one.
func train(device uint32, datagrams ...encap.Datagram) encap.Datagram {
	t := datagrams[0]
	t.SegSize, t.Device = uint16(len(t.Payload)), device
	t.Payload = nil
	for _, d := range datagrams {
		t.Payload = append(t.Payload, d.Payload...)
	}
	return t
}
