package vtep

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep/forward"
)

// twins are two VTEPs alike: what fast hears as the kernel joins it, with segments
// joined again, slow hears datagram by datagram, without.
type twins struct {
	t          testing.TB
	fast, slow *rxRig
}

func newTwins(t testing.TB, word SameHost, trunk string) *twins {
	t.Helper()
	make := func(join bool) *rxRig {
		r := twoTenants(t, join, func(c *LinkConfig) {
			c.SameHost = word
			if c.Trunk = trunk; trunk != "" {
				c.VLAN = uint16(c.VNI)
			}
			if c.VNI == 43 {
				c.PeerBUMLimit = 3
			}
		})
		for _, link := range []string{"vxlan42", "vxlan43"} {
			if err := r.v.FDBAppend(FDBEntry{Link: link, Remote: Remote{Addr: peer2}}); err != nil {
				t.Fatal(err)
			}
		}
		return r
	}
	return &twins{t, make(true), make(false)}
}

// message is what one read gives: datagrams of one sender and one size, but for a
// shorter last one.
type message []encap.Datagram

// decidable is isTrain written out: where a sender may be on this host, only those
// messages are taken apart that are of one VNI whoever made them. A sender may also be
// here that has an address of this host's.
func (m message) decidable() bool {
	own := encap.AddrFrom(netip.MustParseAddr("192.0.2.1"))
	if len(m) == 1 || m[0].Device == byWire && m[0].Src != own {
		return true
	}
	for _, d := range m {
		if len(d.Payload) < 22 || !bytes.Equal(d.Payload[:8], m[0].Payload[:8]) {
			return false
		}
	}
	in := encap.ParseInner(m[0].Payload[8:])
	return in.IPVersion == 0 || 8+int(in.L3)+in.IPLen <= len(m[0].Payload)
}

// hear gives both the messages.
func (tw *twins) hear(all []message) {
	var joined, single []encap.Datagram
	for _, m := range all {
		d := m[0]
		if len(m) > 1 {
			d = train(m[0].Device, m...)
		}
		joined = append(joined, d)
	}
	tw.fast.hear(joined...)
	for i, m := range all {
		if m.decidable() {
			single = append(single, m...)
			continue
		}
		tw.slow.hear(single...)
		single = nil
		tw.slow.undecided(&joined[i])
	}
	tw.slow.hear(single...)
}

// undecided counts a message that cannot be decided by its first header.
func (r *rxRig) undecided(d *encap.Datagram) {
	h, ok := encap.DecodeHeader(d.Payload)
	l := r.ep.listener(h.VNI)
	switch none := &r.v.plane.Counters[0]; {
	case !ok:
		none.Count(forward.RxShortHeader, 1)
		return
	case !h.Valid():
		none.Count(forward.RxNoVNIFlag, 1)
		return
	case l == nil:
		none.Count(forward.RxUnknownVNI, 1)
		return
	}
	switch s, c := l.State.Load(), &l.Shards[len(l.Shards)-1]; {
	case !s.Up:
		c.Count(forward.RxLinkDown, 1)
	case d.Src == s.Own:
		c.Count(forward.RxOwnEcho, 1)
	case !l.Remotes.Peer(d.Src).IsPeer():
		c.Count(forward.RxNotPeer, 1)
	default:
		c.Count(forward.RxUndecided, 1)
	}
}

// came is what came out of a link by flow, each frame with what the stack is told of
// its checksum.
func (tw *twins) came(r *rxRig, link string) map[uint32][]string {
	flows := map[uint32][]string{}
	for _, f := range r.arrived(link) {
		in := encap.ParseInner(f.Data)
		hash := encap.FlowHash(f.Data, &in)
		// With DF the id means nothing (RFC 6864 section 4.1), and is made anew where
		// a superframe is cut.
		if b := f.Data; in.IPVersion == 4 && in.DF && int(in.L3)+20 <= len(b) && b[in.L3] == 0x45 && encap.Sum(b[in.L3:in.L3+20]) == 0xffff {
			clear(b[in.L3+4 : in.L3+6])
			clear(b[in.L3+10 : in.L3+12])
		}
		flows[hash] = append(flows[hash], fmt.Sprintf("%x %+v", f.Data, f.Offload))
	}
	return flows
}

// compare checks that both gave the same to each link, and counted the same.
func (tw *twins) compare() {
	tw.t.Helper()
	for _, link := range []string{"vxlan42", "vxlan43"} {
		want, got := tw.came(tw.slow, link), tw.came(tw.fast, link)
		for flow := range want {
			if !slices.Equal(want[flow], got[flow]) {
				tw.t.Fatalf("%s, flow %x: %s", link, flow, firstDifference(want[flow], got[flow]))
			}
		}
		for flow := range got {
			if want[flow] == nil {
				tw.t.Fatalf("%s, flow %x: %d frames come when they are joined only, the first %.200s", link, flow, len(got[flow]), got[flow][0])
			}
		}
		w, g := tw.slow.stats(link), tw.fast.stats(link)
		if !maps.Equal(w.Drops, g.Drops) {
			tw.t.Fatalf("%s: drops %v one by one, %v joined", link, w.Drops, g.Drops)
		}
		w.Drops, g.Drops = nil, nil
		if fmt.Sprint(w) != fmt.Sprint(g) {
			tw.t.Fatalf("%s: counters\none by one %+v\njoined     %+v", link, w, g)
		}
	}
	if w, g := tw.slow.v.Stats().Drops, tw.fast.v.Stats().Drops; !maps.Equal(w, g) {
		tw.t.Fatalf("drops of no link: %v one by one, %v joined", w, g)
	}
}

// firstDifference is where frames one by one and joined ones differ.
func firstDifference(single, joined []string) string {
	for i := range min(len(single), len(joined)) {
		if single[i] != joined[i] {
			return fmt.Sprintf("frame %d of %d one by one, %d joined:\n%.200s\n%.200s", i, len(single), len(joined), single[i], joined[i])
		}
	}
	return fmt.Sprintf("%d frames one by one, %d joined", len(single), len(joined))
}

// tenantFlow is a flow of a tenant that goes on where it was.
type tenantFlow struct {
	vni      encap.VNI
	peer     netip.Addr
	src      encap.MAC
	v6, tcp  bool
	tos      uint8
	sport    uint16
	id       uint16
	seq      uint32
	size     int
	outerTOS uint8
}

// frame is its next one.
func (f *tenantFlow) frame(rnd *rand.Rand) []byte {
	payload := make([]byte, f.size)
	if rnd.IntN(12) == 0 {
		payload = payload[:1+rnd.IntN(f.size)]
	}
	for i := range payload {
		payload[i] = byte(rnd.Uint32())
	}
	if rnd.IntN(4) == 0 { // as if a packet of another VNI began in it
		h := encap.HeaderFor(85 - f.vni)
		inner := slices.Concat(h[:], here[:], f.src[:], []byte{8, 0, 0x45, 0, 0, 40})
		copy(payload[rnd.IntN(len(payload)):], inner)
	}
	var transport []byte
	if f.tcp {
		transport = slices.Concat([]byte{byte(f.sport >> 8), byte(f.sport), 0, 80}, binary.BigEndian.AppendUint32(nil, f.seq), make([]byte, 4), []byte{0x50, 0x10, 1, 0, 0, 0, 0, 0})
		if rnd.IntN(10) == 0 {
			transport[13] |= []byte{1, 8, 0x40, 0x80}[rnd.IntN(4)]
		}
	} else {
		transport = []byte{byte(f.sport >> 8), byte(f.sport), 0, 53, byte((8 + len(payload)) >> 8), byte(8 + len(payload)), 0, 0}
	}
	proto := encap.ProtoUDP
	if f.tcp {
		proto = encap.ProtoTCP
	}
	l4 := append(transport, payload...)
	b := slices.Concat(here[:], f.src[:])
	if f.v6 {
		b = append(b, 0x86, 0xdd, 0x60|f.tos>>4, f.tos<<4, 0, 0, byte(len(l4)>>8), byte(len(l4)), proto, 64)
		b = append(b, bytes.Repeat([]byte{0x20, 1, 0xd, 0xb8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}, 2)...)
	} else {
		b = append(b, 8, 0, 0x45, f.tos, byte((20+len(l4))>>8), byte(20+len(l4)), byte(f.id>>8), byte(f.id), 0x40*byte(f.sport&1), 0, 64, proto, 0, 0, 198, 51, 100, 2, 198, 51, 100, 1)
		binary.BigEndian.PutUint16(b[24:], ^encap.Sum(b[14:34]))
	}
	b = append(b, l4...)
	in := encap.ParseInner(b)
	o, _ := encap.PartialOffload(&in)
	binary.BigEndian.PutUint16(b[in.L4+o.CsumOffset:], encap.PseudoSum(b, &in, len(l4)))
	whole := encap.Frame{Data: b, Offload: o}
	if rnd.IntN(15) != 0 { // else it stays partial
		encap.CompleteChecksum(&whole)
	}
	f.id++
	f.seq += uint32(len(payload))
	return b
}

// spoil makes of b, which goes into a train with behind bytes after it, what a hostile
// sender might.
func spoil(rnd *rand.Rand, b []byte, behind int) []byte {
	switch rnd.IntN(9) {
	case 0:
		b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8)
	case 1:
		if encap.ParseInner(b).IPVersion == 4 && b[23] == encap.ProtoUDP {
			return lying(b, len(b)+behind)
		}
	case 2:
		copy(b, bytes.Repeat([]byte{0xff}, 6))
	case 3:
		copy(b[6:], [][]byte{liar[:], make([]byte, 6), {1, 2, 3, 4, 5, 6}, {2, 0xff, 0, 0, 0, 0}}[rnd.IntN(4)])
	case 4: // a VLAN tag in place of the type
		copy(b[12:], []byte{0x81, 0, 0x0f, 0xff, 8, 0})
	case 5:
		copy(b[20:], []byte{0x20, 0}) // IPv4: a fragment
	case 6: // IPv6: an extension header
		b[20] = []byte{0, 43, 44, 60}[rnd.IntN(4)]
	case 7:
		binary.BigEndian.PutUint16(b[16:], uint16(rnd.Uint32()))
	case 8:
		b[42-2], b[42-1] = 0, 0 // IPv4: no UDP checksum
	}
	return b
}

// hostileMessages are trains and single datagrams of several tenants and peers.
func hostileMessages(rnd *rand.Rand, flows []*tenantFlow, devices []uint32) []message {
	var all []message
	for range 1 + rnd.IntN(12) {
		f := flows[rnd.IntN(len(flows))]
		device, peer, tos := devices[rnd.IntN(len(devices))], f.peer, f.outerTOS
		if rnd.IntN(15) == 0 {
			tos = uint8(rnd.IntN(4))
		}
		n := 1 + rnd.IntN(20)
		var m message
		for k := range n {
			g := f
			if rnd.IntN(6) == 0 { // of another tenant behind the same peer, as a hash has it
				g = flows[rnd.IntN(len(flows))]
			}
			b := g.frame(rnd)
			if rnd.IntN(8) == 0 {
				b = spoil(rnd, b, (n-k-1)*(len(b)+encap.HeaderLen))
			}
			d := vxlan(peer, g.vni, tos, b)
			d.Device = device
			switch rnd.IntN(60) {
			case 0:
				d.Payload[0] ^= 8
			case 1:
				d.Payload[1] = 1
			case 2:
				d.Payload[6] ^= 4
			}
			if len(m) > 0 && len(d.Payload) > len(m[0].Payload) || len(m) > 1 && len(m[len(m)-1].Payload) < len(m[0].Payload) || len(m)*len(d.Payload) > 60_000 {
				all, m = append(all, m), nil
			}
			m = append(m, d)
		}
		all = append(all, m)
	}
	return all
}

// TestTenantsAreApart: trains of random and hostile frames of several tenants and
// peers give each VNI, byte for byte and check by check, what the same datagrams give
// one by one; where senders may be on this host, nothing but what cannot be decided
// is missing.
func TestTenantsAreApart(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 50
	}
	for name, devices := range map[string][]uint32{
		"wire": {byWire}, "veth": {byVeth}, "mixed": {byWire, byVeth, byBridge, byNobody, 0}, "trunk": {byWire},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { compareTwins(t, name == "trunk", devices, rounds) })
		})
	}
}

// compareTwins is the test with senders behind these devices. It is for a bubble, where the limits' clocks stand still.
func compareTwins(t *testing.T, trunk bool, devices []uint32, rounds int) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	var delivered, joined uint64
	for range rounds {
		port := ""
		if trunk {
			port = "trunk0"
		}
		tw := newTwins(t, SameHost{}, port)
		var flows []*tenantFlow
		for i := range 8 {
			flows = append(flows, &tenantFlow{
				vni: encap.VNI(42 + i%2), peer: []netip.Addr{peer1, peer2, peer1, stranger}[rnd.IntN(4)], src: encap.MAC{2, 0, 0, 0, 0, byte(i % 3)},
				v6: rnd.IntN(3) == 0, tcp: rnd.IntN(3) == 0, tos: uint8(rnd.IntN(4)), outerTOS: uint8(rnd.IntN(8)) / 5,
				sport: uint16(1000 + i), id: uint16(rnd.Uint32()), seq: rnd.Uint32(), size: []int{18, 100, 100, 1400}[rnd.IntN(4)],
			})
		}
		for range 4 {
			tw.hear(hostileMessages(rnd, flows, devices))
			for _, p := range tw.fast.ports {
				for _, f := range p.frames {
					if f.Offload.Kind != encap.GSONone {
						joined++
					}
				}
			}
			tw.compare()
		}
		delivered += tw.fast.stats("vxlan42").RxPackets + tw.fast.stats("vxlan43").RxPackets
	}
	t.Logf("%d frames came out, %d superframes among their writes", delivered, joined)
	if delivered == 0 || joined == 0 {
		t.Error("nothing came out, or nothing was joined: this compared nothing")
	}
}

// TestSuperframesStayInTheirVNI: whatever bytes a tenant behind a kernel VTEP of this
// host puts into a UDP superframe, and whatever a virtio header makes of it, no other
// VNI gets any; and of one whose IP header is true nothing at all is cut out.
func TestSuperframesStayInTheirVNI(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	f := tenantFlow{vni: 42, peer: peer1, src: liar, sport: 1000, size: 100}
	for range 3000 {
		r := twoTenants(t, rnd.IntN(2) == 0, nil)
		size := 30 + rnd.IntN(400)
		n := 2 + rnd.IntN(30)
		payload := make([]byte, size*n)
		piece := encap.VNI(42 + rnd.IntN(2))
		for at := 0; at+size < len(payload); at += size {
			h := encap.HeaderFor(piece)
			copy(payload[at:], slices.Concat(h[:], f.frame(rnd)))
		}
		first := udpPacket{dst: here, src: liar, sport: 1, dport: 2, payload: nil}.build()
		shift := rnd.IntN(size)
		b := append(first, payload[shift:]...)
		honest := rnd.IntN(2) == 0
		total := len(b)
		if !honest {
			total = 42 + rnd.IntN(size)
		}
		copy(b, lying(b[:42], total))
		d := vxlan(peer1, 42, 0, b)
		d.Device, d.SegSize = []uint32{byVeth, byBridge, byNobody}[rnd.IntN(3)], uint16(size)
		r.hear(d)
		if got := len(r.arrived("vxlan43")); got != 0 {
			t.Fatalf("%d frames came out of another VNI", got)
		}
		if got := len(r.arrived("vxlan42")); honest && got != 0 {
			t.Fatalf("%d frames were cut out of a superframe", got)
		}
	}
}
