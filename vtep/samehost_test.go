package vtep

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep/forward"
)

// twoTenants has the links vxlan42 and vxlan43 with the same peer.
func twoTenants(t testing.TB, join bool, edit func(*LinkConfig)) *rxRig {
	t.Helper()
	var links []LinkConfig
	for _, vni := range []encap.VNI{42, 43} {
		c := LinkConfig{Name: fmt.Sprintf("vxlan%d", vni), VNI: vni, Local: netip.MustParseAddr("192.0.2.1"), Remote: peer1, MTU: 1450}
		if edit != nil {
			edit(&c)
		}
		links = append(links, c)
	}
	return newRxRig(t, join, links...)
}

// marker is a frame of a tenant that is recognised wherever it comes out.
func marker(n int) []byte {
	return udpPacket{dst: here, src: victim, sport: 7, dport: 9, id: uint16(n), payload: bytes.Repeat([]byte("MARK"), 25)}.build()
}

// lying makes frame say that it is as long as total bytes of frame and more, with
// the pseudo-header sum of that as its checksum.
func lying(frame []byte, total int) []byte {
	b := bytes.Clone(frame)
	binary.BigEndian.PutUint16(b[16:], uint16(total-14))
	clear(b[24:26])
	binary.BigEndian.PutUint16(b[24:], ^encap.Sum(b[14:34]))
	binary.BigEndian.PutUint16(b[38:], uint16(total-34))
	long := append(bytes.Clone(b), make([]byte, max(total-len(b), 0))...)
	in := encap.ParseInner(long)
	binary.BigEndian.PutUint16(b[40:], encap.PseudoSum(long, &in, total-34))
	return b
}

// crossed counts markers that came out of a link as part of anything, and as frames.
func crossed(r *rxRig, link string) (inside, frames int) {
	for _, f := range r.arrived(link) {
		inside += bytes.Count(f.Data, []byte("MARKMARK")) / 12
		if encap.EthSrc(f.Data) == victim {
			frames++
		}
	}
	return inside, frames
}

// TestLyingFirstFrame: a frame whose IP length covers the datagrams behind its own,
// with the checksum of an inner superframe, swallows none of another VNI.
func TestLyingFirstFrame(t *testing.T) {
	const behind = 9
	m := vxlan(peer1, 43, 0, marker(1))
	liar := lying(udpPacket{dst: here, src: liar, sport: 1, dport: 2, payload: make([]byte, 100)}.build(), (behind+1)*len(m.Payload)-encap.HeaderLen)
	all := []encap.Datagram{vxlan(peer1, 42, 0, liar)}
	for n := range behind {
		all = append(all, vxlan(peer1, 43, 0, marker(n)))
	}
	for name, device := range map[string]uint32{"wire": byWire, "veth": byVeth, "bridge": byBridge, "unknown": byNobody} {
		t.Run(name, func(t *testing.T) {
			r := twoTenants(t, true, nil)
			r.hear(train(device, all...))
			if inside, _ := crossed(r, "vxlan42"); inside != 0 {
				t.Errorf("%d markers of VNI 43 came out of VNI 42", inside)
			}
			want, drops := behind, uint64(0)
			if device != byWire {
				want, drops = 0, 1 // it cannot be decided
			}
			if _, frames := crossed(r, "vxlan43"); frames != want || r.stats("vxlan42").Drops[forward.RxUndecided] != drops {
				t.Errorf("%d frames came out of VNI 43, want %d; drops %v", frames, want, r.stats("vxlan42").Drops)
			}
			if got := r.ep.Undecided.Load(); got != (drops > 0) {
				t.Errorf("the endpoint is to go on without UDP_GRO: %v", got)
			}
		})
	}
}

// TestCraftedSuperframe: what a tenant behind a kernel VTEP of this host sends with
// UDP_SEGMENT, headers of another VNI standing where its segments would be cut, does
// not come out of the other VNI, whatever its first IP header says.
func TestCraftedSuperframe(t *testing.T) {
	piece := vxlan(peer1, 43, 0, marker(1)).Payload
	size := len(piece)
	for name, tt := range map[string]struct {
		ipLen func(total int) int
		vni   encap.VNI
		out   int // frames of it
	}{
		"honest":                   {func(total int) int { return total }, 43, 0},
		"as long as a piece":       {func(int) int { return size - encap.HeaderLen }, 43, 0},
		"of its own VNI":           {func(total int) int { return total }, 42, 0},
		"of its own VNI and lying": {func(int) int { return size - encap.HeaderLen }, 42, 8},
	} {
		for where, device := range map[string]uint32{"veth": byVeth, "bridge": byBridge, "unknown": byNobody} {
			t.Run(name+", "+where, func(t *testing.T) {
				r := twoTenants(t, true, nil)
				first := udpPacket{dst: here, src: liar, sport: 1, dport: 2, payload: make([]byte, size-encap.HeaderLen-42)}.build()
				all := []encap.Datagram{vxlan(peer1, 42, 0, lying(first, tt.ipLen(9*size-encap.HeaderLen)))}
				for n := range 8 {
					all = append(all, vxlan(peer1, tt.vni, 0, marker(n)))
				}
				r.hear(train(device, all...))
				if _, frames := crossed(r, "vxlan43"); frames != 0 {
					t.Errorf("%d frames that VNI 42 made came out of VNI 43", frames)
				}
				if _, frames := crossed(r, "vxlan42"); frames != tt.out {
					t.Errorf("%d frames came out of VNI 42, want %d", frames, tt.out)
				}
			})
		}
	}
}

// TestHonestTrain: trains of one VNI are cut, whoever sent them; frames without IP
// too, and a shorter last one.
func TestHonestTrain(t *testing.T) {
	for name, device := range map[string]uint32{"wire": byWire, "veth": byVeth, "bridge": byBridge, "unknown": byNobody} {
		r := twoTenants(t, true, nil)
		var all []encap.Datagram
		for n := range 9 {
			all = append(all, vxlan(peer1, 43, 0, marker(n)))
		}
		all = append(all, vxlan(peer1, 43, 0, frameOf("short")))
		r.hear(train(device, all...), train(device, vxlan(peer1, 42, 0, frameOf("ARP, say")), vxlan(peer1, 42, 0, frameOf("ARP, say"))))
		if _, frames := crossed(r, "vxlan43"); frames != 9 {
			t.Errorf("%s: %d frames", name, frames)
		}
		if n := len(r.arrived("vxlan42")); n != 2 {
			t.Errorf("%s: %d frames without IP, want 2", name, n)
		}
	}
}

// frameOf is an Ethernet frame without IP.
func frameOf(payload string) []byte {
	return slices.Concat(here[:], liar[:], []byte{0x88, 0xb5}, []byte(payload))
}

// TestUndecidedOfStrangers: who is no peer has nothing decided, and nothing changed.
func TestUndecidedOfStrangers(t *testing.T) {
	short := vxlan(peer1, 42, 0, nil)
	short.Payload = make([]byte, 30)
	noFlag := vxlan(peer1, 42, 0, marker(1))
	noFlag.Payload[0] = 0
	for name, tt := range map[string]struct {
		first encap.Datagram
		size  uint16
		drop  forward.DropReason
		link  string
		edit  func(*LinkConfig)
	}{
		"from afar":   {first: vxlan(peer1, 42, 0, marker(1)), drop: forward.RxLowTTL, link: "vxlan42", edit: func(c *LinkConfig) { c.MinTTL = 255 }},
		"stranger":    {first: vxlan(stranger, 42, 0, marker(1)), drop: forward.RxNotPeer, link: "vxlan42"},
		"unknown VNI": {first: vxlan(peer1, 44, 0, marker(1)), drop: forward.RxUnknownVNI},
		"no I flag":   {first: noFlag, drop: forward.RxNoVNIFlag},
		"tiny pieces": {first: short, size: 3, drop: forward.RxNoVNIFlag},
	} {
		r := twoTenants(t, true, tt.edit)
		d := train(byVeth, tt.first, vxlan(peer1, 43, 0, marker(1)))
		d.TTL = 254
		if tt.size != 0 {
			d.SegSize = tt.size
		}
		r.hear(d)
		stats := r.v.Stats()
		if tt.link != "" {
			stats = r.stats(tt.link)
		}
		if stats.Drops[tt.drop] != 1 || r.ep.Undecided.Load() {
			t.Errorf("%s: drops %v, the endpoint is to change: %v", name, stats.Drops, r.ep.Undecided.Load())
		}
	}
}

// TestOriginOfEachMessage: what is known of the message before is of its device and its
// sender alone.
func TestOriginOfEachMessage(t *testing.T) {
	covers := SameHost{Mode: SameHostPrefixes, Prefixes: []netip.Prefix{netip.PrefixFrom(peer2, 32)}}
	mixed := func(src netip.Addr, device uint32) encap.Datagram {
		return train(device, vxlan(src, 42, 0, marker(1)), vxlan(src, 43, 0, marker(2)))
	}
	for name, second := range map[string]encap.Datagram{"sender": mixed(peer2, byWire), "device": mixed(peer1, byVeth)} {
		r := twoTenants(t, true, func(c *LinkConfig) { c.SameHost = covers })
		for _, link := range []string{"vxlan42", "vxlan43"} {
			must(t, r.v.FDBAppend(FDBEntry{Link: link, Remote: Remote{Addr: peer2}}))
		}
		r.hear(mixed(peer1, byWire), second)
		if n := len(r.arrived("vxlan42")); n != 1 || !r.ep.Undecided.Load() {
			t.Errorf("another %s: %d frames arrived, want those of the first message alone", name, n)
		}
	}
}

// TestUndecidedSaysWhy: a message that is not decided counts for the reason that its
// first packet would have been dropped for, if there is one.
func TestUndecidedSaysWhy(t *testing.T) {
	tiny := vxlan(peer1, 42, 0, nil)
	tiny.Payload, tiny.SegSize, tiny.Device = tiny.Payload[:5], 3, byVeth
	r := twoTenants(t, true, nil)
	r.hear(tiny)
	if d := r.v.Stats().Drops; d[forward.RxShortHeader] != 1 || len(d) != 1 {
		t.Errorf("less than a header: drops %v", d)
	}
	message := train(byVeth, vxlan(peer1, 42, 0, marker(1)), vxlan(peer1, 43, 0, marker(1)))
	for reason, edit := range map[forward.DropReason]func(*forward.State){
		forward.RxLinkDown: func(s *forward.State) { s.Up = false }, forward.RxOwnEcho: func(s *forward.State) { s.Own = encap.AddrFrom(peer1) },
	} {
		l := r.v.links["vxlan42"]
		s := *l.State.Load()
		edit(&s)
		before := l.State.Swap(&s)
		r.hear(message)
		if d := r.stats("vxlan42").Drops; d[reason] != 1 || d[forward.RxUndecided] != 0 {
			t.Errorf("drops %v, want one %s", d, reason)
		}
		l.State.Store(before)
	}
}

// TestSameHostWord: `samehost none` on every link says that there is nobody to
// doubt; one link without it is enough to doubt. A prefix makes senders doubted whom
// a wire brings.
func TestSameHostWord(t *testing.T) {
	mixed := func(device uint32) encap.Datagram {
		return train(device, vxlan(peer1, 42, 0, marker(1)), vxlan(peer1, 43, 0, marker(2)))
	}
	none := SameHost{Mode: SameHostNone}
	covers := SameHost{Mode: SameHostPrefixes, Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	other := SameHost{Mode: SameHostPrefixes, Prefixes: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}
	for _, tt := range []struct {
		name      string
		w42, w43  SameHost
		device    uint32
		frames    int
		remembers bool
	}{
		{"none", none, none, byVeth, 2, false},
		{"none on one", none, SameHost{}, byVeth, 0, true},
		{"auto", SameHost{}, SameHost{}, byWire, 2, false},
		{"prefix", covers, SameHost{}, byWire, 0, true},
		{"prefix of the other", SameHost{}, covers, byWire, 0, true},
		{"prefix of others", other, other, byWire, 2, false},
		{"prefix of others, veth", other, other, byVeth, 0, true},
	} {
		r := twoTenants(t, true, func(c *LinkConfig) {
			if c.SameHost = tt.w42; c.VNI == 43 {
				c.SameHost = tt.w43
			}
		})
		r.hear(mixed(tt.device))
		if got := len(r.arrived("vxlan42")) + len(r.arrived("vxlan43")); got != tt.frames || r.ep.Undecided.Load() != tt.remembers {
			t.Errorf("%s: %d frames, want %d; undecided %v", tt.name, got, tt.frames, r.ep.Undecided.Load())
		}
		// What the words say goes with their links.
		if err := r.v.DelLink("vxlan43"); err != nil {
			t.Fatal(err)
		}
		a := r.v.plane.Arrivals.Load()
		if a.Nobody != (tt.w42.Mode == SameHostNone) || len(a.Prefixes) != len(tt.w42.Prefixes) {
			t.Errorf("%s: with one link left: nobody %v, prefixes %v", tt.name, a.Nobody, a.Prefixes)
		}
		if err := r.v.UpdateLink("vxlan42", func(c *LinkConfig) error { c.SameHost = none; return nil }); err != nil {
			t.Fatal(err)
		}
		if a := r.v.plane.Arrivals.Load(); !a.Nobody || len(a.Prefixes) != 0 {
			t.Errorf("%s: after a change to none: nobody %v, prefixes %v", tt.name, a.Nobody, a.Prefixes)
		}
	}
}

// TestWhoseChecksumsAreCompleted: a payload whose checksum field holds the
// pseudo-header sum is right if a kernel VTEP of this host sent it, and corrupted
// otherwise: then the stack is left to find that out.
func TestWhoseChecksumsAreCompleted(t *testing.T) {
	covers := SameHost{Mode: SameHostPrefixes, Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	for _, tt := range []struct {
		name   string
		word   SameHost
		device uint32
		want   bool
	}{
		{"wire", SameHost{}, byWire, false},
		{"veth", SameHost{}, byVeth, true},
		{"bridge", SameHost{}, byBridge, false},
		{"unknown", SameHost{}, byNobody, false},
		{"not told", SameHost{}, 0, false},
		{"none", SameHost{Mode: SameHostNone}, byVeth, false},
		{"prefix", covers, byWire, true},
		{"prefix, bridge", covers, byBridge, true},
	} {
		for size, kind := range map[int]encap.GSOKind{100: encap.GSONone, 20_000: encap.GSOUDP} {
			r := twoTenants(t, true, func(c *LinkConfig) { c.SameHost = tt.word })
			b := udpPacket{dst: here, src: victim, sport: 7, dport: 9, payload: make([]byte, size)}.build()
			d := vxlan(peer1, 42, 0, lying(b, len(b)))
			d.Device = tt.device
			for range 1000 {
				r.hear(d)
			}
			trusted := 0
			for _, f := range r.ports["vxlan42"].frames {
				if f.Offload.Csum == encap.CsumPartial {
					trusted++
					if f.Offload.Kind != kind {
						t.Errorf("%s, %d bytes: kind %d", tt.name, size, f.Offload.Kind)
					}
				}
			}
			if want := map[bool]int{true: 1000}[tt.want]; trusted != want {
				t.Errorf("%s, %d bytes: %d of 1000 need no checking, want %d", tt.name, size, trusted, want)
			}
		}
	}
}

// TestAmplification: no datagram becomes thousands of frames.
func TestAmplification(t *testing.T) {
	const headers = 14 + 40 + 1368 + 8
	b := slices.Concat(here[:], victim[:], []byte{0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, 60, 64}, make([]byte, 32),
		append([]byte{encap.ProtoUDP, 170}, make([]byte, 1366)...), []byte{0, 1, 0, 2, 0, 0, 0, 0}, make([]byte, 62_000))
	binary.BigEndian.PutUint16(b[18:], uint16(len(b)-54))
	binary.BigEndian.PutUint16(b[headers-4:], uint16(len(b)-headers+8))
	in := encap.ParseInner(b)
	if int(in.L4) != headers-8 {
		t.Fatalf("the transport header is at %d: this shows nothing", in.L4)
	}
	binary.BigEndian.PutUint16(b[headers-2:], encap.PseudoSum(b, &in, len(b)-headers+8))
	for _, device := range []uint32{byWire, byVeth} {
		r := twoTenants(t, true, nil)
		d := vxlan(peer1, 42, 0, b)
		d.Device = device
		r.hear(d)
		if n := len(r.arrived("vxlan42")); n != 1 {
			t.Errorf("device %d: a datagram became %d frames", device, n)
		}
	}
}
