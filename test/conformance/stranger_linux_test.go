package conformance

import (
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/vtep/forward"
)

// TestS01StrangersDecideNothing: what a stranger writes into a header is neither shown nor counted as if a peer had.
func TestS01StrangersDecideNothing(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f, "gbp reserved drop")
		r.refuses(forward.RxNotPeer, r.packet(frameFrom(farMAC), from(r.peers[1]), withHeader(0x88, 0, 0xab, 0xcd)))
		r.refuses(forward.RxNotPeer, r.packet(frameFrom(farMAC), from(r.peers[1]), withHeader(0x0c, 0, 0, 7)))
		if s := r.stats(); s.PolicyID != 0 || s.Reserved != 0 {
			t.Errorf("a stranger's policy id %#x is shown, %d packets with reserved bits are", s.PolicyID, s.Reserved)
		}
		r.delivers(frameFrom(farMAC), withHeader(0x88, 0, 0xab, 0xcd))
		r.until("show a peer's policy id", func() bool { return r.stats().PolicyID == 0xabcd })
	})
}

// stranger is the address of one of many, of the range for benchmarks (RFC 2544) or for documents.
func stranger(v6 bool, n int) netip.Addr {
	if v6 {
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0xff, 0xff, 14: byte(n >> 8), 15: byte(n)})
	}
	return netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)})
}

// TestS01StrangersAreCounted: each of a thousand, once, without a reply to any, and every other reason as it was without a
// filter in the kernel.
func TestS01StrangersAreCounted(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f)
		const n = 1000
		before := r.drops(forward.RxNotPeer)
		for i := range n {
			r.send(r.packet(frameFrom(farMAC), from(stranger(f.local.Addr().Is6(), i+1))))
		}
		r.delivers(frameFrom(farMAC2)) // behind them on the wire
		r.until("count the strangers", func() bool { return r.drops(forward.RxNotPeer) >= before+n })
		if got := r.drops(forward.RxNotPeer) - before; got != n {
			t.Errorf("%d strangers were counted as %d", n, got)
		}
		if at := r.entry(farMAC); at.IsValid() {
			t.Errorf("a stranger was learned from: %s", at)
		}
		r.nothingSent()
		other := func(o *outer) { o.payload[6] ^= 1 }
		r.refuses(forward.RxUnknownVNI, r.packet(frameFrom(farMAC), other))
		r.refuses(forward.RxNoVNIFlag, r.packet(frameFrom(farMAC), from(r.peers[1]), withHeader(0, 0, 0, 0)))
		r.refuses(forward.RxShortHeader, r.packet(nil, func(o *outer) { o.payload = o.payload[:7] }))
		check(t, r.dut.SetUp("vxlan0", false))
		r.until("count what comes to a link that is down", func() bool {
			r.send(r.packet(frameFrom(farMAC), from(r.peers[1])))
			return r.drops(forward.RxLinkDown) > 0
		})
	})
}

// TestS01PeersFromTheFirstPacketOn: a new peer's packets pass as soon as its entry is there.
func TestS01PeersFromTheFirstPacketOn(t *testing.T) {
	r := startRig(t, ipv4Underlay())
	entry := api.FDBEntry{MAC: allZeros, Dst: r.peers[1]}
	for range 30 {
		r.fdb("append", entry)
		r.delivers(frameFrom(farMAC), from(r.peers[1]))
		r.fdb("del", entry)
		r.refuses(forward.RxNotPeer, r.packet(frameFrom(farMAC), from(r.peers[1])))
	}
	// Nor does one whose entry changes lose a packet.
	r.fdb("add", api.FDBEntry{MAC: farMAC2, Dst: r.peers[1]})
	for i := range uint16(30) {
		r.fdb("replace", api.FDBEntry{MAC: farMAC2, Dst: r.peers[1], Port: 4789 + i%2})
		r.delivers(frameFrom(farMAC), from(r.peers[1]))
	}
}

// TestS01StrangersOfTheWildcard: a socket with an address hears packets for a link of every address, too.
func TestS01StrangersOfTheWildcard(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f)
		unspecified := netip.IPv4Unspecified()
		if f.local.Addr().Is6() {
			unspecified = netip.IPv6Unspecified()
		}
		id := uint32(43)
		check(t, r.client.AddLink(t.Context(), api.LinkChange{
			LinkSpec: api.LinkSpec{Name: "vxlan1", ID: &id, Remote: &r.peers[1], Local: &unspecified}, Up: new(true)}))
		second := func() uint64 {
			return must(r.client.Link(t.Context(), "vxlan1"))(t).Stats.Drops[forward.RxNotPeer.String()]
		}
		to := r.in(t)
		to.vni = 43
		to.send(to.packet(frameFrom(farMAC), from(r.peers[0])))
		r.until("count a stranger of the wildcard's link", func() bool { return second() == 1 })
		// From a peer of it, it is delivered.
		to.inner = must(r.dut.OpenPacket("vxlan1"))(t)
		to.delivers(frameFrom(farMAC), from(r.peers[1]))
		check(t, r.client.DeleteLink(t.Context(), "vxlan1"))
		r.refuses(forward.RxUnknownVNI, to.packet(frameFrom(farMAC), from(r.peers[1])))
	})
}

// TestS05OwnEchoIsNoStranger: with `accept peers` our own multicast is an echo still.
func TestS05OwnEchoIsNoStranger(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startGroup(t, f, "accept peers")
		before := r.drops(forward.RxOwnEcho)
		strangers := r.drops(forward.RxNotPeer)
		r.inject(frameFrom(hostMAC))
		r.until("hear our own multicast", func() bool { return r.drops(forward.RxOwnEcho) > before })
		if n := r.drops(forward.RxNotPeer) - strangers; n != 0 {
			t.Errorf("%d of our own packets were strangers'", n)
		}
	})
}
