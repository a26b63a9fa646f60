package encap_test

import (
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// TestWire: a superframe counts as the segments that it is cut into, byte for
// byte.
func TestWire(t *testing.T) {
	for name, p := range map[string]packet{
		"tcp4":         {proto: encap.ProtoTCP},
		"tcp4 options": {proto: encap.ProtoTCP, options: 12},
		"tcp6 vlan":    {proto: encap.ProtoTCP, v6: true, tags: []uint16{7}},
		"udp4":         {proto: encap.ProtoUDP},
		"udp6":         {proto: encap.ProtoUDP, v6: true},
	} {
		for _, payload := range []int{1401, 2800, 2801, 30_000} {
			p.payload = pattern(payload)
			f := superframe(t, p, 1400)
			in := parse(f.Data)
			frames, bytes := encap.Wire(&f, &in)
			wantBytes, segments := 0, cut(t, f)
			for _, s := range segments {
				wantBytes += len(s) - encap.EthernetHeaderLen
			}
			if frames != len(segments) || bytes != wantBytes {
				t.Errorf("%s, %d bytes: %d frames of %d bytes, want %d of %d", name, payload, frames, bytes, len(segments), wantBytes)
			}
		}
	}
	b := build(t, packet{proto: encap.ProtoUDP, payload: pattern(100)})
	in := parse(b)
	if frames, bytes := encap.Wire(&encap.Frame{Data: b}, &in); frames != 1 || bytes != len(b)-encap.EthernetHeaderLen {
		t.Errorf("an ordinary frame: %d frames of %d bytes", frames, bytes)
	}
}

// TestWireLies: metadata that contradicts the frame, which a tenant can send, never
// counts fewer bytes than the frame has.
func TestWireLies(t *testing.T) {
	for name, b := range map[string][]byte{
		"no IP":                  build(t, packet{proto: encap.ProtoUDP, payload: pattern(2000)})[:14],
		"ARP":                    append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x08, 0x06}, make([]byte, 2000)...),
		"TCP offset 0":           zeroOffset(build(t, packet{proto: encap.ProtoTCP, payload: pattern(2000)})),
		"UDP that says it's TCP": build(t, packet{proto: encap.ProtoUDP, payload: pattern(2000)}),
	} {
		for _, kind := range []encap.GSOKind{encap.GSOTCPv4, encap.GSOTCPv6, encap.GSOUDP} {
			f := encap.Frame{Data: b, Offload: encap.Offload{Kind: kind, SegSize: 1}}
			in := parse(b)
			if frames, bytes := encap.Wire(&f, &in); frames < 1 || bytes < len(b)-encap.EthernetHeaderLen {
				t.Errorf("%s as kind %d: %d frames of %d bytes", name, kind, frames, bytes)
			}
		}
	}
}

// zeroOffset makes the TCP header of b say that it has no bytes.
func zeroOffset(b []byte) []byte {
	in := parse(b)
	b[in.L4+12] = 0
	return b
}
