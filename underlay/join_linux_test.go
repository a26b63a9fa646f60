package underlay

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
)

// texts makes packets of one flow from frames of the given lengths.
func texts(dst netip.Addr, sizes ...int) (p []encap.Packet, want []string) {
	for i, n := range sizes {
		text := fmt.Sprintf("%04d", i) + strings.Repeat("x", n-4)
		p = append(p, packet(dst, port, text))
		want = append(want, payloadOf(text))
	}
	return p, want
}

func repeat(size, n int) []int {
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

func TestJoins(t *testing.T) {
	for _, c := range []struct {
		name     string
		sizes    []int
		edit     func(p []encap.Packet)
		messages int
	}{
		{"equal", repeat(64, 128), nil, 1},
		{"one more than a message takes", repeat(64, 129), nil, 2},
		{"a shorter one ends a message", []int{64, 64, 60, 64, 64}, nil, 2},
		{"a longer one starts a message", []int{64, 65, 66, 66}, nil, 3},
		{"no more than a datagram's payload", repeat(1492, 44), nil, 2},
		{"nor by little", repeat(5032, 13), nil, 2}, // 65,520 bytes
		{"traffic class", repeat(64, 4), func(p []encap.Packet) { p[1].TOS = 8 }, 3},
		{"hop limit", repeat(64, 4), func(p []encap.Packet) { p[2].TTL = 8 }, 3},
		{"interface", repeat(64, 4), func(p []encap.Packet) { p[2].Zone, p[3].Zone = 1, 1 }, 2},
		{"one", []int{64}, nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachFamily(t, func(t *testing.T, v6 bool) {
				a, _ := newFastWire(t)
				local := netip.MustParseAddr("127.0.0.1")
				if v6 {
					local = netip.IPv6Loopback()
				}
				rx := a.listen(t, ReceiverConfig{V6: v6, Port: port})
				for _, off := range []bool{false, true} {
					tx := a.transmitter(t, TransmitterConfig{V6: v6, NoSegment: off})
					seen := record(tx)
					p, want := texts(local, c.sizes...)
					if c.edit != nil {
						c.edit(p)
					}
					send(t, tx, encap.SendOK, p...)
					messages := c.messages
					if off {
						messages = len(p)
					}
					if seen.messages != messages || seen.refused != 0 {
						t.Errorf("%d messages, %d refused, want %d", seen.messages, seen.refused, messages)
					}
					for i, g := range receive(t, rx, 0, len(p)) {
						if g.payload != want[i] || g.tos != p[i].TOS {
							t.Fatalf("datagram %d: %.12q tos %#x, want %.12q tos %#x", i, g.payload, g.tos, want[i], p[i].TOS)
						}
					}
				}
			})
		})
	}
}

// TestFloodMakesARunForEachRemote: the packets of a flooded burst come frame
// by frame and leave remote by remote.
func TestFloodMakesARunForEachRemote(t *testing.T) {
	const frames, remotes = 40, 100 // in one chunk
	a, _ := newFastWire(t)
	rx := a.listen(t, ReceiverConfig{Port: port})
	tx := a.transmitter(t, TransmitterConfig{})
	seen := record(tx)
	var p []encap.Packet
	for f := range frames {
		for r := range remotes {
			q := packet(netip.AddrFrom4([4]byte{127, 0, 0, byte(r + 1)}), port, fmt.Sprintf("remote %03d frame %03d", r, f))
			q.Hash = uint32(f%2) << 31 // two flows, two source ports
			p = append(p, q)
		}
	}
	send(t, tx, encap.SendOK, p...)
	// A socket's 2,000 datagrams do not fit one call, so one run is cut in two.
	if want := 2 * (remotes + 1); seen.messages != want || seen.calls != 4 {
		t.Errorf("%d messages in %d calls, want %d in 4", seen.messages, seen.calls, want)
	}
	next := map[string]int{}
	for _, g := range receive(t, rx, 0, len(p)) {
		var r, f int
		if _, err := fmt.Sscanf(g.payload[encap.HeaderLen:], "remote %d frame %d", &r, &f); err != nil {
			t.Fatal(err)
		}
		flow := fmt.Sprint(r, f%2)
		if want := next[flow]*2 + f%2; f != want {
			t.Fatalf("remote %d: frame %d came, want %d", r, f, want)
		}
		next[flow]++
	}
}

// TestMoreRemotesThanChains: what has no room waits for the next chunk.
func TestMoreRemotesThanChains(t *testing.T) {
	const remotes = 3*writeChains + 5
	a, _ := newFastWire(t)
	rx := a.listen(t, ReceiverConfig{Port: port})
	tx := a.transmitter(t, TransmitterConfig{})
	var p []encap.Packet
	for i := range 2 * remotes {
		r := i % remotes
		p = append(p, packet(netip.AddrFrom4([4]byte{127, 0, byte(r >> 8), byte(r)}), port, fmt.Sprintf("%06d", i)))
		p[i].Hash = uint32(r) * 0x9e3779b1
	}
	for round := 0; round < len(p); round += remotes {
		send(t, tx, encap.SendOK, p[round:round+remotes]...)
		seen := map[string]bool{}
		for _, g := range receive(t, rx, 0, remotes) {
			seen[g.payload] = true
		}
		if len(seen) != remotes {
			t.Errorf("%d different packets of %d", len(seen), remotes)
		}
	}
}

func TestReceiverJoins(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newFastWire(t)
		tx := a.transmitter(t, TransmitterConfig{V6: v6})
		for _, off := range []bool{false, true} {
			rx := b.listen(t, ReceiverConfig{V6: v6, Port: port, NoGRO: off})
			if o := rx.Offloads(); o.GRO == off || (o.Reason != "") != off {
				t.Errorf("NoGRO %t: offloads %+v", off, o)
			}
			p, want := texts(b.addr(v6), 100, 100, 100, 50)
			for i := range p {
				p[i].TOS = 0x2e
			}
			send(t, tx, encap.SendOK, p...)
			d := make([]encap.Datagram, 8)
			if off {
				wantDatagrams(t, rx, want, 0x2e)
			} else if n, err := rx.ReadBatch(0, d); n != 1 || err != nil ||
				d[0].SegSize != 108 || d[0].TOS != 0x2e || string(d[0].Payload) != strings.Join(want, "") {
				t.Errorf("%d messages, %v: %d bytes, segment size %d, tos %#x", n, err, len(d[0].Payload), d[0].SegSize, d[0].TOS)
			}
			// One datagram has no segment size.
			send(t, tx, encap.SendOK, p[0])
			if n, err := rx.ReadBatch(0, d); n != 1 || err != nil || d[0].SegSize != 0 || string(d[0].Payload) != want[0] {
				t.Errorf("%d messages, %v: %d bytes, segment size %d", n, err, len(d[0].Payload), d[0].SegSize)
			}
			rx.Close()
		}
	})
}

// TestReceiverTakesFewerLargeMessages at once than small ones, also where it has not met them yet: the first
// ones to reach their memory cost a page fault for each 4 KiB.
func TestReceiverTakesFewerLargeMessages(t *testing.T) {
	a, b := newFastWire(t)
	rx := b.listen(t, ReceiverConfig{Port: port})
	tx := a.transmitter(t, TransmitterConfig{})
	f := inner{}.superframe(t, 43*1448, 1448)
	var large, small []encap.Packet
	for i := range 100 {
		large = append(large, framePacket(b.v4, port, f))
		small = append(small, packet(b.v4, port, strings.Repeat("x", 60+i)))
	}
	d := make([]encap.Datagram, readBatch)
	watchdog := time.AfterFunc(patience, func() { _ = rx.Close() })
	defer watchdog.Stop()
	for i, burst := range []struct {
		of          []encap.Packet
		least, most int // messages at once
	}{
		{large, 1, readLeast},         // the first ones
		{small, 100, 100},             // all, whatever there was before
		{large, firstStep, firstStep}, // after small ones, whose lengths they might have
		{large, 1, readLeast},
		{small[:60], 60, 60},
	} {
		send(t, tx, encap.SendOK, burst.of...)
		bytes, most := 0, 0
		for _, p := range burst.of {
			if p.Frame.Offload.Kind == encap.GSONone {
				bytes += encap.HeaderLen + len(p.Frame.Data)
				continue
			}
			bytes += 43 * (encap.HeaderLen + 54 + 1448)
		}
		for bytes > 0 {
			n, err := rx.ReadBatch(0, d)
			if err != nil {
				t.Fatal(err)
			}
			most = max(most, n)
			for _, d := range d[:n] {
				bytes -= len(d.Payload)
			}
		}
		if most < burst.least || most > burst.most {
			t.Errorf("burst %d: %d messages at once, want %d to %d", i, most, burst.least, burst.most)
		}
	}
}

// TestJoinsOneVNI: a message has one VXLAN header, and all packets of a batch that have it, though packets of
// other links are between them. A receiver on the same host could not decide of a message with two headers
// whether its datagrams are a frame's pieces.
func TestJoinsOneVNI(t *testing.T) {
	a, _ := newFastWire(t)
	local := netip.MustParseAddr("127.0.0.1")
	rx := a.listen(t, ReceiverConfig{Port: port})
	tx := a.transmitter(t, TransmitterConfig{})
	seen := record(tx)
	p, _ := texts(local, repeat(64, 256)...)
	var want []string
	for vni := range 64 {
		for i := vni; i < len(p); i += 64 {
			p[i].Header = encap.HeaderFor(encap.VNI(42 + vni))
			want = append(want, string(p[i].Header[:])+string(p[i].Frame.Data))
		}
	}
	send(t, tx, encap.SendOK, p...)
	if seen.messages != 64 || seen.refused != 0 {
		t.Errorf("%d messages, %d refused, want 64", seen.messages, seen.refused)
	}
	for i, g := range receive(t, rx, 0, len(p)) {
		if g.payload != want[i] {
			t.Fatalf("datagram %d: %.16q, want %.16q", i, g.payload, want[i])
		}
	}
}
