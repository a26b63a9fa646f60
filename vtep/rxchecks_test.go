package vtep

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep/forward"
)

// The tests here and in txchecks_test.go each hold one condition of the data path
// that the tests by subject do not: go run ./bench/mutate lists such.

// joinable is a train of n segments of the victim's flow, as the kernel joins it, by
// the headers of the first of them, which edit may change.
func joinable(n int, edit func(h []byte)) encap.Datagram {
	var all []encap.Datagram
	for i := range n {
		d := vxlan(peer1, 42, 0, flowOf(i, 0).build())
		if edit != nil {
			edit(d.Payload[:encap.HeaderLen])
		}
		all = append(all, d)
	}
	return train(byWire, all...)
}

// TestSegmentsAreCountedOneByOne: what is counted of a packet is counted of each
// segment of a superframe.
func TestSegmentsAreCountedOneByOne(t *testing.T) {
	for name, tt := range map[string]struct {
		config func(*LinkConfig)
		edit   func([]byte)
		count  func(forward.Stats) uint64
	}{
		"reserved bits": {nil, func(h []byte) { h[0] |= 0x80 }, func(s forward.Stats) uint64 { return s.Reserved }},
		"full FDB":      {func(c *LinkConfig) { c.MaxAddresses = 1 }, nil, func(s forward.Stats) uint64 { return s.NotLearned }},
	} {
		t.Run(name, func(t *testing.T) {
			r := joiningRig(t, tt.config)
			must(t, r.v.FDBAdd(FDBEntry{Link: "vxlan0", MAC: encap.MAC{2, 9}, Remote: Remote{Addr: peer1}, State: fdb.Permanent}))
			r.hear(joinable(5, tt.edit))
			if n := len(r.arrived("vxlan0")); n != 5 {
				t.Fatalf("%d frames arrived", n)
			}
			if n := tt.count(r.stats("vxlan0")); n != 5 {
				t.Errorf("%d are counted, want 5", n)
			}
		})
	}
}

// TestNothingBehindASegment: a datagram too short for a header is dropped as such,
// whatever came before.
func TestNothingBehindASegment(t *testing.T) {
	r := joiningRig(t, nil)
	short := vxlan(peer1, 42, 0, nil)
	short.Payload = short.Payload[:5]
	r.hear(vxlan(peer1, 42, 0, flowOf(0, 0).build()), short)
	if n := r.v.Stats().Drops[forward.RxShortHeader]; n != 1 || len(r.arrived("vxlan0")) != 1 {
		t.Errorf("%d datagrams are too short, want 1", n)
	}
}

// TestSizeOfOneDatagram: a message whose segments are said to be as long as it is, or
// longer, is one datagram, wherever it came from.
func TestSizeOfOneDatagram(t *testing.T) {
	for _, more := range []int{0, 7} {
		r := joiningRig(t, nil)
		d := vxlan(peer1, 42, 0, flowOf(0, 0).build())
		d.Device, d.SegSize = byVeth, uint16(len(d.Payload)+more)
		r.hear(d)
		if n := len(r.arrived("vxlan0")); n != 1 {
			t.Errorf("%d bytes more: %d frames arrived, want 1", more, n)
		}
	}
}

// What vtep/forward/portbatch.go gathers at most: frames for a port, links with frames for
// it, and ports.
const (
	maxPending = 512
	maxOwners  = 64
	maxPorts   = 8
)

// TestMoreThanAPortIsGivenAtOnce: one read of the underlay may bring more frames than
// a port is given at once, joined or not, or handed over here, and more links.
func TestMoreThanAPortIsGivenAtOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		frame func(n int) []byte
		most  int // frames of one write
	}{
		"no segments":    {func(n int) []byte { b := between(0).build(); b[11] = byte(n); return b }, maxPending},
		"64 runs":        {func(n int) []byte { p := flowOf(0, 0); p.sport = uint16(n); return p.build() }, 65},
		"one superframe": {func(n int) []byte { return flowOf(n, 0).build() }, maxPending},
	} {
		t.Run(name, func(t *testing.T) {
			r := joiningRig(t, nil)
			var messages []encap.Datagram
			n := 0
			for range forward.Batch {
				var all []encap.Datagram
				for range 4 {
					all = append(all, vxlan(peer1, 42, 0, tt.frame(n)))
					n++
				}
				messages = append(messages, train(byWire, all...))
			}
			r.hear(messages...)
			if got := len(r.arrived("vxlan0")); got != n || r.ports["vxlan0"].most > tt.most {
				t.Errorf("%d of %d frames arrived, %d in one write", got, n, r.ports["vxlan0"].most)
			}
			if s := r.stats("vxlan0"); s.RxPackets != uint64(n) {
				t.Errorf("%d of %d frames are counted", s.RxPackets, n)
			}
		})
	}
}

// TestManyLinksInOneRead: a read that brings frames of more ports and more VLANs of a
// port than a worker has frames for at once gives each link its own, and each port
// as few writes as can be.
func TestManyLinksInOneRead(t *testing.T) {
	for name, tt := range map[string]struct {
		links, rounds int
		trunk         string
		writes        int // of one port, at most
	}{
		"ports":                 {2 * maxPorts, 3, "", 3},
		"few ports":             {maxPorts, 20, "", 1},
		"VLANs of a trunk":      {maxOwners, 4, "trunk0", 1},
		"many VLANs of a trunk": {2 * maxOwners, 2, "trunk0", 6},
	} {
		t.Run(name, func(t *testing.T) {
			var links []LinkConfig
			for i := range tt.links {
				c := LinkConfig{Name: "v" + string(rune('0'+i)), VNI: encap.VNI(100 + i), Local: netip.MustParseAddr("192.0.2.1"), Remote: peer1, Trunk: tt.trunk}
				if tt.trunk != "" {
					c.VLAN = uint16(1 + i)
				}
				links = append(links, c)
			}
			r := newRxRig(t, true, links...)
			var batch []encap.Datagram
			for n := range tt.rounds * tt.links {
				i := n % tt.links
				batch = append(batch, vxlan(peer1, links[i].VNI, 0, flowOf(n/tt.links, 0).build()))
			}
			r.hear(batch...)
			for _, c := range links {
				got := r.arrived(c.Name)
				if len(got) != tt.rounds {
					t.Fatalf("%s got %d frames, want %d", c.Name, len(got), tt.rounds)
				}
				for n, f := range got {
					if !bytes.Equal(f.Data[42:], flowOf(n, 0).payload) {
						t.Fatalf("%s: frame %d is another", c.Name, n)
					}
				}
				if s := r.stats(c.Name); s.RxPackets != uint64(tt.rounds) || len(s.Drops) > 0 {
					t.Fatalf("%s counts %d packets, drops %v", c.Name, s.RxPackets, s.Drops)
				}
			}
			for port, p := range r.ports {
				if p.writes > tt.writes {
					t.Errorf("%s: %d writes, want at most %d", port, p.writes, tt.writes)
				}
			}
		})
	}
}

// TestPortRefuses: what a trunk port refuses is counted at the links whose frames it
// was, and what it takes, too.
func TestPortRefuses(t *testing.T) {
	r := newRxRig(t, false,
		LinkConfig{Name: "vxlan42", VNI: 42, Local: netip.MustParseAddr("192.0.2.1"), Remote: peer1, Trunk: "trunk0", VLAN: 42},
		LinkConfig{Name: "vxlan43", VNI: 43, Local: netip.MustParseAddr("192.0.2.1"), Remote: peer1, Trunk: "trunk0", VLAN: 43})
	r.ports["trunk0"].refuse = 3
	var batch []encap.Datagram
	for n := range 6 {
		batch = append(batch, vxlan(peer1, encap.VNI(42+n%2), 0, flowOf(n, 0).build()))
	}
	r.hear(append(batch, vxlan(peer1, 43, 0, flowOf(6, 0).build()))...)
	for link, want := range map[string][2]uint64{"vxlan42": {2, 1}, "vxlan43": {2, 2}} {
		if s := r.stats(link); s.RxPackets != want[0] || s.Drops[forward.RxPort] != want[1] {
			t.Errorf("%s counts %d packets and %d that the port refused, want %v", link, s.RxPackets, s.Drops[forward.RxPort], want)
		}
	}
}

// TestStrangersShareALimit: who is known has a limit of his own from the first frame
// on that told of him.
func TestStrangersShareALimit(t *testing.T) {
	r := joiningRig(t, func(c *LinkConfig) { c.Accept.Mode, c.PeerBUMLimit = AcceptAny, 1 })
	flood := func(src encap.MAC) []byte {
		b := between(0).build()
		copy(b, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
		copy(b[6:], src[:])
		return b
	}
	other := stranger.Next()
	r.hear(vxlan(stranger, 42, 0, between(0).build()), vxlan(stranger, 42, 0, flood(liar)), vxlan(other, 42, 0, flood(encap.MAC{2, 7})))
	if n := len(r.arrived("vxlan0")); n != 3 {
		t.Errorf("%d frames arrived, want 3: drops %v", n, r.stats("vxlan0").Drops)
	}
}

// TestPolicyExtension: a packet with the extension is learned from, unless its D bit
// says not to: neither is its source then, nor what it says of addresses.
func TestPolicyExtension(t *testing.T) {
	for name, tt := range map[string]struct {
		flags   byte // of the second byte of the header
		learned bool
	}{"plain": {0, true}, "do not learn": {0x40, false}} {
		r := joiningRig(t, func(c *LinkConfig) { c.GBP, c.Proxy, c.ProxyLearn = true, true, true })
		header := func(d encap.Datagram) encap.Datagram {
			d.Payload[0] |= 0x80
			d.Payload[1], d.Payload[3] = tt.flags, 7
			return d
		}
		known := encap.MAC{2, 8} // from before, so that the bit alone decides what it says
		f := flowOf(0, 0)
		f.src = known
		r.hear(vxlan(peer1, 42, 0, f.build()))
		reply := append(append(append(bytes.Repeat([]byte{0xff}, 6), known[:]...), 8, 6, 0, 1, 8, 0, 6, 4, 0, 2), known[:]...)
		reply = append(reply, 198, 51, 100, 9, 255, 255, 255, 255, 255, 255, 198, 51, 100, 9)
		r.hear(header(vxlan(peer1, 42, 0, reply)), header(vxlan(peer1, 42, 0, flowOf(0, 0).build())))
		l := r.v.links["vxlan0"]
		if _, _, known := l.FDB.Peek(victim); known != tt.learned {
			t.Errorf("%s: the source is learned: %v", name, known)
		}
		if n := l.Learned(); n == 1 != tt.learned {
			t.Errorf("%s: %d addresses are learned", name, n)
		}
		if id := l.LastPolicy.Load(); id != 7 {
			t.Errorf("%s: the id is %d, want 7; drops %v", name, id, r.stats("vxlan0").Drops)
		}
	}
}
