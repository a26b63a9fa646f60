package underlay

import (
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// TestMessageTakes: a message takes datagrams that have all in common with it, of
// its size or, as the last, less, and of no more in all than the kernel takes.
func TestMessageTakes(t *testing.T) {
	p := encap.Packet{Header: encap.HeaderFor(42), TOS: 1, TTL: 2, Zone: 3, FlowLabel: 4}
	whole := message{n: 2, size: 100, bytes: 200, packet: &p}
	const limit = 64
	like := p // another packet of the same remote
	for _, tt := range []struct {
		what  string
		m     message
		p     *encap.Packet
		size  int
		takes bool
	}{
		{"its own packet", whole, &p, 100, true},
		{"a packet alike", whole, &like, 100, true},
		{"a shorter one", whole, &like, 99, true},
		{"a longer one", whole, &like, 101, false},
		{"one behind a shorter one", message{n: 2, size: 100, bytes: 199, packet: &p}, &like, 99, false},
		{"the last that is allowed", message{n: limit - 1, size: 100, bytes: (limit - 1) * 100, packet: &p}, &like, 100, true},
		{"one too many", message{n: limit, size: 100, bytes: limit * 100, packet: &p}, &like, 100, false},
		{"as many bytes as there may be", message{n: 1, size: mostPayload - 50, bytes: mostPayload - 50, packet: &p}, &like, 50, true},
		{"a byte too many", message{n: 1, size: mostPayload - 50, bytes: mostPayload - 50, packet: &p}, &like, 51, false},
	} {
		if got := tt.m.takes(tt.p, tt.size, limit); got != tt.takes {
			t.Errorf("%s: %v, want %v", tt.what, got, tt.takes)
		}
	}
	for what, edit := range map[string]func(*encap.Packet){
		"TOS":        func(p *encap.Packet) { p.TOS++ },
		"TTL":        func(p *encap.Packet) { p.TTL++ },
		"zone":       func(p *encap.Packet) { p.Zone++ },
		"flow label": func(p *encap.Packet) { p.FlowLabel++ },
	} {
		other := p
		edit(&other)
		if whole.takes(&other, 100, limit) {
			t.Errorf("a packet of another %s goes in the same message", what)
		}
	}
}
