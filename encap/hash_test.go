package encap_test

import (
	"encoding/binary"
	"math/bits"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

func hash(b []byte) uint32 {
	in := parse(b)
	return encap.FlowHash(b, &in)
}

// C12: packets of one flow share a value, whatever else differs.
func TestFlowHashSameFlow(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		base := hash(build(t, packet{v6: v6, proto: encap.ProtoTCP}))
		for name, p := range map[string]packet{
			"payload":  {payload: pattern(500)},
			"sequence": {seq: 99, id: 7, fin: true, psh: true},
			"tos, ttl": {tos: 0xb8, ttl: 3},
			"options":  {options: 8},
			"vlan tag": {tags: []uint16{7}},
			"no DF":    {noDF: true},
		} {
			p.v6, p.proto = v6, encap.ProtoTCP
			if got := hash(build(t, p)); got != base {
				t.Errorf("IPv6 %v, other %s: hash %#x, want %#x", v6, name, got, base)
			}
		}
	}
}

// Every field of the flow counts, bit by bit.
func TestFlowHashOtherFlow(t *testing.T) {
	for name, c := range map[string]struct {
		p        packet
		from, to int // bytes of the frame that name the flow
	}{
		"tcp4 addresses": {packet{proto: encap.ProtoTCP}, 26, 34},
		"tcp4 ports":     {packet{proto: encap.ProtoTCP}, 34, 38},
		"udp4 ports":     {packet{proto: encap.ProtoUDP}, 34, 38},
		"udp6 addresses": {packet{proto: encap.ProtoUDP, v6: true}, 22, 54},
		"udp6 ports":     {packet{proto: encap.ProtoUDP, v6: true}, 54, 58},
	} {
		b := build(t, c.p)
		base := hash(b)
		for bit := c.from * 8; bit < c.to*8; bit++ {
			b[bit/8] ^= 0x80 >> (bit % 8)
			if hash(b) == base {
				t.Errorf("%s: bit %d of the frame does not count", name, bit)
			}
			b[bit/8] ^= 0x80 >> (bit % 8)
		}
	}
	tcp, udp := build(t, packet{proto: encap.ProtoTCP}), build(t, packet{proto: encap.ProtoUDP, payload: make([]byte, 12)})
	copy(udp[34:38], tcp[34:38])
	if hash(tcp) == hash(udp) {
		t.Error("the protocol does not count")
	}
}

// Fragments share a value: the later ones have no ports to look at.
func TestFlowHashFragments(t *testing.T) {
	first, later := build(t, packet{proto: encap.ProtoUDP, noDF: true, payload: pattern(80)}),
		build(t, packet{proto: encap.ProtoUDP, noDF: true, sport: 1, payload: pattern(80)})
	binary.BigEndian.PutUint16(first[20:], 0x2000)
	binary.BigEndian.PutUint16(later[20:], 0x0010)
	if hash(first) != hash(later) {
		t.Error("fragments of one packet hash differently")
	}
}

func TestFlowHashNotIP(t *testing.T) {
	arp := make([]byte, 42)
	copy(arp, dstMAC[:])
	copy(arp[6:], srcMAC[:])
	copy(arp[12:], []byte{0x08, 0x06})
	base := hash(arp)
	arp[40] ^= 1
	if hash(arp) != base {
		t.Error("ARP: the payload counts")
	}
	for bit := range 14 * 8 {
		arp[bit/8] ^= 0x80 >> (bit % 8)
		if hash(arp) == base {
			t.Errorf("bit %d of the Ethernet header does not count", bit)
		}
		arp[bit/8] ^= 0x80 >> (bit % 8)
	}
	if got := hash(arp[:13]); got != 0 {
		t.Errorf("no frame: %#x", got)
	}
}

// Each bit of the value flips for about half of the one-bit changes.
func TestFlowHashAvalanche(t *testing.T) {
	for name, c := range map[string]struct {
		v6       bool
		from, to int
	}{"IPv4": {false, 26, 38}, "IPv6": {true, 22, 58}} {
		var flips [32]int
		n := 0
		for port := range uint16(200) {
			b := build(t, packet{v6: c.v6, proto: encap.ProtoUDP, sport: port + 1})
			base := hash(b)
			for bit := c.from * 8; bit < c.to*8; bit++ {
				b[bit/8] ^= 0x80 >> (bit % 8)
				for d := base ^ hash(b); d != 0; d &= d - 1 {
					flips[bits.TrailingZeros32(d)]++
				}
				b[bit/8] ^= 0x80 >> (bit % 8)
				n++
			}
		}
		for bit, f := range flips {
			if p := float64(f) / float64(n); p < 0.47 || p > 0.53 {
				t.Errorf("%s: bit %d flips with probability %.3f, want 0.5", name, bit, p)
			}
		}
	}
}

// Flows that count up, as real ones do, spread evenly over the low and the
// high bits: chi-squared over 64 buckets, limit far beyond the 99.99 % of 63
// degrees of freedom (116).
func TestFlowHashSpread(t *testing.T) {
	const buckets, flows = 64, 16384
	vary := map[string]func(b []byte, l4 int, i uint32){
		"source port": func(b []byte, l4 int, i uint32) { binary.BigEndian.PutUint16(b[l4:], uint16(i)) },
		"dest port":   func(b []byte, l4 int, i uint32) { binary.BigEndian.PutUint16(b[l4+2:], uint16(i)) },
		"both ports": func(b []byte, l4 int, i uint32) {
			binary.BigEndian.PutUint32(b[l4:], i<<16|i)
		},
		"last of dest address": func(b []byte, l4 int, i uint32) { binary.BigEndian.PutUint32(b[l4-4:], i) },
	}
	for _, v6 := range []bool{false, true} {
		for name, set := range vary {
			b := build(t, packet{v6: v6, proto: encap.ProtoUDP})
			in := parse(b)
			var low, high [buckets]int
			for i := range uint32(flows) {
				set(b, int(in.L4), i)
				h := encap.FlowHash(b, &in)
				low[h%buckets]++
				high[h>>26]++
			}
			for part, counts := range map[string][buckets]int{"low": low, "high": high} {
				var chi float64
				for _, n := range counts {
					d := float64(n) - flows/buckets
					chi += d * d / (flows / buckets)
				}
				if chi > 130 {
					t.Errorf("IPv6 %v, %s varies, %s bits: chi-squared %.0f", v6, name, part, chi)
				}
			}
		}
	}
}

func TestFlowHashAllocs(t *testing.T) {
	for name, b := range flows(t, 40) {
		in := parse(b)
		var sink uint32
		wantNoAllocs(t, name, func() { sink += encap.FlowHash(b, &in) })
	}
}
