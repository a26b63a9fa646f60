package encap

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

// summed fills in the ICMPv6 checksum of a message without extension headers.
func summed(b []byte) []byte {
	p := b[EthernetHeaderLen:]
	outer := Inner{IPVersion: 6, Proto: ProtoICMPv6, pseudoDst: 24}
	binary.BigEndian.PutUint16(p[ipv6HeaderLen+2:], ^foldSum(addBytes(addPseudo(p, &outer, len(p)-ipv6HeaderLen), p[ipv6HeaderLen:])))
	return b
}

// advertBytes is an advertisement with these flags and options, without checksum.
func advertBytes(target string, flags byte, options ...byte) []byte {
	b := solicitBytes("2001:db8::1", target, options...)
	b[54], b[58] = ndAdvertise, flags
	return b
}

func TestParseClaim(t *testing.T) {
	edit := func(b []byte, at int, v byte) []byte {
		b[at] = v
		return b
	}
	arp := func() []byte { return arpBytes("198.51.100.1", "198.51.100.2") }
	source, target := []byte{1, 1, 2, 0, 0, 0, 0, 1}, []byte{2, 1, 2, 0, 0, 0, 0, 1}
	self := MAC{2, 0, 0, 0, 0, 1}
	tagged := append([]byte{}, arp()[:12]...)
	tagged = append(append(tagged, 0x81, 0, 0, 7), arp()[12:]...)
	for _, tt := range []struct {
		what          string
		b             []byte
		ip            string // "": no claim
		router, asked bool
	}{
		{"request", arp(), "198.51.100.1", false, false},
		{"reply", edit(arp(), 21, arpReply), "198.51.100.1", false, false},
		{"gratuitous", arpBytes("198.51.100.2", "198.51.100.2"), "198.51.100.2", false, false},
		{"probe", arpBytes("0.0.0.0", "198.51.100.2"), "", false, false},
		{"RARP's operation", edit(arp(), 21, 3), "", false, false},
		{"for another MAC", edit(arp(), 27, 9), "", false, false},
		{"multicast address", arpBytes("239.1.1.1", "198.51.100.2"), "", false, false},
		{"cut", arp()[:41], "", false, false},
		{"tagged", tagged, "", false, false},
		{"group MAC", edit(edit(arp(), 6, 3), 22, 3), "", false, false},
		{"advertisement", summed(advertBytes("2001:db8::2", ndOverride, target...)), "2001:db8::2", false, false},
		{"router", summed(advertBytes("2001:db8::2", ndOverride|ndRouter|ndSolicited, target...)), "2001:db8::2", true, false},
		{"anycast", summed(advertBytes("2001:db8::2", ndSolicited, target...)), "", false, false},
		{"without option", summed(advertBytes("2001:db8::2", ndOverride)), "", false, false},
		{"another option", summed(advertBytes("2001:db8::2", ndOverride, source...)), "", false, false},
		{"option of length 0", summed(advertBytes("2001:db8::2", ndOverride, 2, 0, 2, 0, 0, 0, 0, 1)), "", false, false},
		{"multicast target", summed(advertBytes("ff02::2", ndOverride, target...)), "", false, false},
		{"wrong checksum", edit(summed(advertBytes("2001:db8::2", ndOverride, target...)), 70, 9), "", false, false},
		{"advertised for another", summed(advertBytes("2001:db8::2", ndOverride, 2, 1, 2, 0, 0, 0, 0, 9)), "", false, false},
		{"hop limit", edit(summed(advertBytes("2001:db8::2", ndOverride, target...)), 21, 64), "", false, false},
		{"solicitation", summed(solicitBytes("2001:db8::1", "2001:db8::2", source...)), "2001:db8::1", false, true},
		{"address detection", summed(solicitBytes("::", "2001:db8::2", source...)), "", false, false},
		{"router solicitation", summed(edit(solicitBytes("2001:db8::1", "2001:db8::2", source...), 54, 133)), "", false, false},
	} {
		in := ParseInner(tt.b)
		c, ok := ParseClaim(tt.b, &in)
		var want Claim
		if tt.ip != "" {
			want = Claim{IP: AddrFrom(netip.MustParseAddr(tt.ip)), MAC: self, Router: tt.router, Asks: tt.asked}
		}
		if ok != (tt.ip != "") || c != want {
			t.Errorf("%s: %v %+v, want %+v", tt.what, ok, c, want)
		}
	}
}

func FuzzParseClaim(f *testing.F) {
	f.Add(arpBytes("198.51.100.1", "198.51.100.2"))
	f.Add(summed(advertBytes("2001:db8::2", ndOverride, 2, 1, 2, 0, 0, 0, 0, 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := ParseInner(b)
		if c, ok := ParseClaim(b, &in); ok && (c.MAC != EthSrc(b) || c.MAC.IsMulticast() || !c.IP.Netip().IsValid() || c.IP.Netip().IsMulticast()) {
			t.Errorf("%+v of %x", c, b)
		}
	})
}
