package vtep_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// TestPortablePathIsTheOracle sends random traffic from one VTEP to another
// twice: through superframes, cut and joined on the way, and frame by frame
// without any offload. Each flow must come out alike, and the counters agree.
func TestPortablePathIsTheOracle(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	for _, v6 := range []bool{false, true} {
		seed := rand.Uint64()
		t.Logf("IPv6 underlay %v: seed %d", v6, seed)
		bubble(t, func(t *testing.T, _ *vteptest.Network) {
			g := newInventor(t, rand.New(rand.NewPCG(seed, 0)))
			fast, plain := newPath(t, v6, true), newPath(t, v6, false)
			for round := 0; round < rounds && !t.Failed(); round++ {
				if round%4 == 3 {
					g.strangers(fast, plain)
				} else {
					g.stack(fast, plain)
				}
				compareFlows(t, round, plain.arrived(), fast.arrived())
			}
			compareCounters(t, "from the port", plain.a, fast.a)
			compareCounters(t, "from the underlay", plain.b, fast.b)
			joined, supers := fast.host.joined.Load(), fast.host.supers.Load()
			t.Logf("%d datagrams joined, %d superframes arrived", joined, supers)
			if joined == 0 || supers == 0 {
				t.Error("nothing was joined: this compared nothing")
			}
		})
	}
}

// stack has the sending host's stack send through both paths, what is a
// superframe on the one as its segments on the other.
func (g *inventor) stack(fast, plain *path) {
	for range 1 + g.rnd.IntN(150) {
		f := g.next()
		fast.send(f)
		if f.Offload.Kind == encap.GSONone {
			plain.send(f)
			continue
		}
		for _, s := range segments(f) {
			plain.send(s)
		}
	}
}

// strangers has both receivers hear hostile datagrams.
func (g *inventor) strangers(fast, plain *path) {
	for range 1 + g.rnd.IntN(60) {
		port, tos, payload := g.hostileDatagram()
		fast.hear(port, tos, payload)
		plain.hear(port, tos, payload)
	}
}

// path is a VTEP that sends, and one that receives, on a network of their own.
type path struct {
	t        *testing.T
	a, b     *node
	from, to *vteptest.Device
	host     *offloadHost // of b
}

func newPath(t *testing.T, v6, offload bool) *path {
	t.Helper()
	net := vteptest.NewNetwork()
	addrs := [2]netip.Addr{addrA, addrB}
	if v6 {
		addrs = [2]netip.Addr{addrA6, addrB6}
	}
	p := &path{t: t}
	for i, n := range []**node{&p.a, &p.b} {
		h := net.Host(addrs[i])
		var by vtep.Host = h
		if offload {
			p.host = &offloadHost{Host: h}
			by = p.host
		}
		*n = startNode(t, net, h, by, addrs[i])
	}
	var policy uint16 // of the options that touch frames, on one of the underlays
	if v6 {
		policy = 7
	}
	p.from = p.a.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrs[1], Local: addrs[0], MTU: 1400, Address: macB, ClampMSS: v6, GBP: v6, PolicyID: policy})
	p.to = p.b.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrs[0], Local: addrs[1], MTU: 1400, Address: macC, ClampMSS: v6, GBP: v6})
	return p
}

// send has the sending host's stack send f.
func (p *path) send(f encap.Frame) {
	if !p.from.Inject(f) {
		p.t.Fatal("the device took no frame")
	}
}

// hear lets the receiving VTEP hear a datagram of the sending one's address.
func (p *path) hear(port uint16, tos uint8, payload []byte) {
	p.b.net.Send(netip.AddrPortFrom(p.a.addr, port), netip.AddrPortFrom(p.b.addr, encap.DefaultPort), tos, payload)
}

// arrived are the frames that came out since the last call, by flow.
func (p *path) arrived() map[uint32][]string {
	p.t.Helper()
	synctest.Wait()
	flows := map[uint32][]string{}
	for _, out := range drain(p.to.Output()) {
		for _, f := range finished(p.t, out) {
			in := encap.ParseInner(f.Data)
			flow := encap.FlowHash(f.Data, &in)
			flows[flow] = append(flows[flow], string(comparable4(f.Data, &in)))
		}
	}
	return flows
}

// comparable4 blanks the id of an IPv4 packet with DF, which means nothing (RFC
// 6864 section 4.1) and is counted up anew where a superframe is cut, and with
// it the header checksum, if it is right.
func comparable4(b []byte, in *encap.Inner) []byte {
	if in.IPVersion == 4 && in.DF && int(in.L3)+20 <= len(b) && b[in.L3] == 0x45 && soundIPv4(b, int(in.L3)) {
		clear(b[in.L3+4 : in.L3+6])
		clear(b[in.L3+10 : in.L3+12])
	}
	return b
}

func compareFlows(t *testing.T, round int, want, got map[uint32][]string) {
	t.Helper()
	for flow, w := range want {
		if slices.Equal(w, got[flow]) {
			continue
		}
		t.Errorf("round %d, flow %x: %d frames without offloads, %d with", round, flow, len(w), len(got[flow]))
		for i := range min(len(w), len(got[flow])) {
			if w[i] != got[flow][i] {
				t.Errorf("frame %d\nwithout %.120x\nwith    %.120x", i, w[i], got[flow][i])
				break
			}
		}
	}
	for flow := range got {
		if want[flow] == nil {
			t.Errorf("round %d, flow %x: %d frames with offloads only", round, flow, len(got[flow]))
		}
	}
}

func compareCounters(t *testing.T, what string, plain, fast *node) {
	t.Helper()
	w, g := plain.stats(t, "vxlan0"), fast.stats(t, "vxlan0")
	if !maps.Equal(w.Drops, g.Drops) {
		t.Errorf("%s: drops %v without offloads, %v with", what, w.Drops, g.Drops)
	}
	w.Drops, g.Drops = nil, nil
	if fmt.Sprint(w) != fmt.Sprint(g) {
		t.Errorf("%s: counters\nwithout %+v\nwith    %+v", what, w, g)
	}
}

// inventor makes what a host's stack and strangers may send.
type inventor struct {
	t     *testing.T
	rnd   *rand.Rand
	flows []*inventedFlow
}

// inventedFlow goes on where it was: sequence numbers and ids count up.
type inventedFlow struct {
	packet
	seq   uint32
	stamp uint32 // TCP timestamp, which seldom changes
	id    uint16
}

func newInventor(t *testing.T, rnd *rand.Rand) *inventor {
	g := &inventor{t: t, rnd: rnd}
	for i := range 24 {
		g.flows = append(g.flows, &inventedFlow{
			packet: packet{v6: i&1 != 0, tcp: i&2 != 0, tag: i%5 == 0, noDF: i%3 == 0, sport: uint16(1000 + i)},
			seq:    rnd.Uint32(), id: uint16(rnd.Uint32()),
		})
	}
	return g
}

// next is a frame of a random flow: mostly as a stack sends it, a superframe at
// times, and at times one that no stack would send.
func (g *inventor) next() encap.Frame {
	f := g.flows[g.rnd.IntN(1+g.rnd.IntN(len(g.flows)))] // the first ones often, so that there are runs
	p := f.packet
	if g.rnd.IntN(12) == 0 {
		p.tos = uint8(g.rnd.IntN(256))
	}
	headers := 40
	if p.v6 {
		headers += 20
	}
	if p.tcp && f.sport%4 != 2 {
		p.options = 3 // a timestamp
		if g.rnd.IntN(15) == 0 {
			p.options = 6 // and a SACK block, say
		}
	}
	size := 1400 - headers - 4*p.options
	switch g.rnd.IntN(8) {
	case 0:
		size = 1 + g.rnd.IntN(size)
	case 1:
		size = g.rnd.IntN(20)
	}
	p.payload = size
	super := size > 0 && g.rnd.IntN(4) == 0
	if super {
		p.payload = size + 1 + g.rnd.IntN(min(60000-size, 60*size))
	}
	frame := g.patch(f, p)
	switch {
	case super:
		frame = partial(g.t, frame)
		in := encap.ParseInner(frame.Data)
		frame.Data = frame.Data[:int(in.L3)+in.IPLen] // a stack pads no superframe
		frame.Offload = encap.Offload{
			Kind: p.kind(), Csum: encap.CsumPartial, SegSize: uint16(size), CsumStart: in.L4, CsumOffset: uint16(csumAt(&in)) - in.L4,
			ECN: p.tcp && frame.Data[in.L4+13]&0x80 != 0,
		}
		f.id += uint16((p.payload + size - 1) / size)
	case g.rnd.IntN(3) == 0:
		f.id++
		frame = partial(g.t, frame)
		in := encap.ParseInner(frame.Data)
		frame.Offload, _ = encap.PartialOffload(&in)
	case g.rnd.IntN(12) == 0:
		return g.spoil(frame)
	default:
		f.id++
	}
	f.seq += uint32(p.payload)
	return frame
}

// kind is that of a superframe of such packets.
func (p packet) kind() encap.GSOKind {
	switch {
	case !p.tcp:
		return encap.GSOUDP
	case p.v6:
		return encap.GSOTCPv6
	}
	return encap.GSOTCPv4
}

// patch builds p as the next packet of f, with checksums.
func (g *inventor) patch(f *inventedFlow, p packet) encap.Frame {
	frame := p.build(g.t)
	b := frame.Data
	copy(b, macC[:])
	in := encap.ParseInner(b)
	if in.IPVersion == 4 {
		binary.BigEndian.PutUint16(b[in.L3+4:], f.id)
		clear(b[in.L3+10 : in.L3+12])
		binary.BigEndian.PutUint16(b[in.L3+10:], ^encap.Sum(b[in.L3:in.L4]))
	}
	payload := int(in.L4) + 8
	if p.tcp {
		payload = int(in.L4) + 20 + 4*p.options
		if p.options > 0 {
			binary.BigEndian.PutUint32(b[in.L4+20:], 0x0101080a)
			f.stamp += uint32(g.rnd.IntN(12) / 11)
			binary.BigEndian.PutUint32(b[in.L4+24:], f.stamp)
		}
		binary.BigEndian.PutUint32(b[in.L4+4:], f.seq)
		if g.rnd.IntN(10) == 0 {
			b[in.L4+13] |= []byte{0x08, 0x09, 0x40, 0x80}[g.rnd.IntN(4)] // PSH, PSH and FIN, ECE, CWR
		}
	}
	for i := payload; i < len(b); i++ {
		b[i] = byte(g.rnd.Uint32())
	}
	whole := partial(g.t, frame)
	whole.Offload, _ = encap.PartialOffload(&in)
	if !encap.CompleteChecksum(&whole) {
		g.t.Fatal("a checksum cannot be completed")
	}
	whole.Offload = encap.Offload{}
	return whole
}

// spoil makes a frame that no stack sends.
func (g *inventor) spoil(f encap.Frame) encap.Frame {
	b := f.Data
	switch g.rnd.IntN(6) {
	case 0: // a bit anywhere behind the MAC addresses
		b[12+g.rnd.IntN(len(b)-12)] ^= 1 << g.rnd.IntN(8)
	case 1: // cut
		b = b[:g.rnd.IntN(len(b))]
	case 2: // padded
		b = append(b, make([]byte, 1+g.rnd.IntN(40))...)
	case 3: // a fragment
		if in := encap.ParseInner(b); in.IPVersion == 4 {
			b[in.L3+6] |= 0x20
		}
	case 4: // offsets outside the frame
		f.Offload = encap.Offload{Csum: encap.CsumPartial, CsumStart: uint16(len(b)), CsumOffset: uint16(g.rnd.IntN(100))}
	case 5: // no IP
		copy(b[12:], []byte{0x88, 0xb5})
	}
	f.Data = b
	return f
}

// hostileDatagram is what a stranger may send to the VTEP's port in the name
// of its peer.
func (g *inventor) hostileDatagram() (port uint16, tos uint8, payload []byte) {
	f := g.next()
	for f.Offload.Kind != encap.GSONone {
		f = g.next()
	}
	payload = pack(42, f)
	switch g.rnd.IntN(8) {
	case 0:
		payload[0] ^= 1 << g.rnd.IntN(8) // flags, the I flag among them
	case 1:
		payload = payload[:g.rnd.IntN(len(payload))]
	case 2:
		payload[6] ^= 1 // VNI 298
	case 3:
		if len(payload) > 14 {
			payload[14] |= 1 // source MAC with the group bit
		}
	case 4:
		for i := range payload {
			payload[i] = byte(g.rnd.Uint32())
		}
	}
	// A flow stays on its port: over several its order is not kept.
	port = 5000
	if inner := payload[min(encap.HeaderLen, len(payload)):]; len(inner) >= encap.EthernetHeaderLen {
		in := encap.ParseInner(inner)
		port += uint16(encap.FlowHash(inner, &in) % 3)
	}
	return port, uint8(g.rnd.IntN(8) / 5), payload
}
