package conformance

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/vtep/forward"
)

// acceptsFrom checks whether the link takes packets of a peer, and learns.
func (r *rig) acceptsFrom(peer int, want bool) {
	r.Helper()
	frame := frameFrom(farMAC)
	if want {
		r.delivers(frame, from(r.peers[peer]))
		if e := r.entry(farMAC); e != r.peers[peer] {
			r.Errorf("%s is behind %v, want %s", farMAC, e, r.peers[peer])
		}
		return
	}
	before := r.entry(farMAC)
	r.refuses(forward.RxNotPeer, r.packet(frame, from(r.peers[peer])))
	if e := r.entry(farMAC); e != before {
		r.Errorf("%s was learned behind the stranger %s: %v", farMAC, r.peers[peer], e)
	}
}

func TestS01AcceptPeers(t *testing.T) {
	for _, words := range []string{"", "accept peers"} {
		t.Run("words "+words, func(t *testing.T) {
			eachUnderlay(t, func(t *testing.T, f family) {
				r := startRig(t, f, words)
				r.acceptsFrom(0, true)
				r.acceptsFrom(1, false)

				// Every entry that a user gives makes its dst a peer, as long as it is there.
				r.floodTo(1)
				r.acceptsFrom(1, true)
				r.fdb("del", api.FDBEntry{MAC: allZeros, Dst: r.peers[1]})
				r.acceptsFrom(1, false) // what was learned behind it does not count
				r.fdb("add", api.FDBEntry{MAC: farMAC2, Dst: r.peers[2]})
				r.acceptsFrom(2, true)
				r.fdb("replace", api.FDBEntry{MAC: farMAC2, Dst: r.peers[1]})
				r.acceptsFrom(2, false)
				r.acceptsFrom(1, true)
			})
		})
	}
}

func TestS01AcceptAny(t *testing.T) {
	r := startRig(t, ipv4Underlay(), "accept any")
	for peer := range r.peers {
		r.acceptsFrom(peer, true)
	}
}

func TestS01AcceptPrefixes(t *testing.T) {
	r := startRig(t, ipv4Underlay(), "accept 192.0.2.3/32,192.0.2.64/26")
	for peer, want := range []bool{false, true, false, true} { // the remote itself is not in
		if peer == 0 {
			r.to.src = r.peers[1] // the markers'
		}
		r.acceptsFrom(peer, want)
	}
}

func TestS01GroupAcceptsAny(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startGroup(t, f)
		for peer := range r.peers {
			r.acceptsFrom(peer, true)
		}
		peers := startGroup(t, f, "accept peers")
		peers.acceptsFrom(0, true) // by the marker's entry
		peers.acceptsFrom(1, false)
	})
}

// procAddress is an address and port as /proc/net/udp and udp6 print them:
// 32-bit words in host order.
func procAddress(a netip.Addr, port uint16) string {
	b := a.AsSlice()
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	return strings.ToUpper(hex.EncodeToString(b)) + fmt.Sprintf(":%04X", port)
}

// bound lists the local addresses of the UDP sockets of a port.
func (r *rig) bound(port uint16) map[string]bool {
	r.Helper()
	name := "udp"
	if r.local.Addr().Is6() {
		name = "udp6"
	}
	local := map[string]bool{}
	for line := range strings.Lines(must(r.dut.ReadProcNet(name))(r.T)) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
			local[f[1]] = true
		}
	}
	return local
}

func TestS02BoundAddress(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		second := f.local.Addr().Next().Next().Next().Next()
		unspecified := netip.IPv4Unspecified()
		protocol := "Udp"
		if second.Is6() {
			unspecified, protocol = netip.IPv6Unspecified(), "Udp6"
		}
		toSecond := func(o *outer) { o.dst = second }

		r := newRig(t, f)
		check(t, r.dut.AddAddr(r.wire.A, netip.PrefixFrom(second, f.local.Bits())))
		r.start("id 42", f.words())
		if got := r.bound(4789); len(got) != 1 || !got[procAddress(f.local.Addr(), 4789)] {
			t.Errorf("with local %s the port is bound on %v", f.local.Addr(), got)
		}
		r.delivers(frameFrom(farMAC))
		before := snmp(t, r.dut, protocol, "NoPorts")
		r.send(r.packet(frameFrom(farMAC), toSecond))
		r.until("refuse the packet to another address", func() bool { return snmp(t, r.dut, protocol, "NoPorts") == before+1 })
		r.nothingArrived()

		any := newRig(t, f)
		check(t, any.dut.AddAddr(any.wire.A, netip.PrefixFrom(second, f.local.Bits())))
		any.start("id 42 remote", f.peers[0].String())
		if got := any.bound(4789); len(got) != 1 || !got[procAddress(unspecified, 4789)] {
			t.Errorf("without local the port is bound on %v", got)
		}
		any.delivers(frameFrom(farMAC))
		any.delivers(frameFrom(farMAC), toSecond)
	})
}

// TestS02LocalAppearsLater: `local` may name an address that is not there yet.
func TestS02LocalAppearsLater(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := newRig(t, f)
		check(t, r.dut.DelAddr(r.wire.A, f.local))
		r.start("id 42", f.words())
		check(t, r.dut.AddAddr(r.wire.A, f.local))
		for _, p := range f.peers { // they went with the address
			check(t, r.dut.SetNeighbour(r.wire.A, p, r.to.srcMAC))
		}
		r.delivers(frameFrom(farMAC))
		r.emit(frameTo(farMAC))
	})
}

// TestS04NoTunnelToTunnel: what comes from a remote goes to the host alone,
// also where its destination is known behind another remote, or flooded.
func TestS04NoTunnelToTunnel(t *testing.T) {
	r := startRig(t, ipv4Underlay())
	r.floodTo(1)
	r.delivers(frameFrom(farMAC), from(r.peers[1]))
	for _, dst := range []string{farMAC, farMAC3, broadcast, groupMAC} {
		r.delivers(frameTo(dst, func(f *inner) { f.src = farMAC2 }))
	}
	// Nor from one link to another.
	check(t, r.client.AddLink(t.Context(), api.LinkChange{
		LinkSpec: api.LinkSpec{Name: "vxlan1", ID: new(uint32(43)), Remote: &r.peers[1], Local: new(r.local.Addr())},
		Up:       new(true),
	}))
	r.delivers(frameTo(broadcast, func(f *inner) { f.src = farMAC2 }))
	r.nothingSent()
	r.until("count the marker", func() bool { return r.stats().Tx.Packets > 0 })
	if n := r.stats().Tx.Packets; n != 1 {
		t.Errorf("%d packets were sent, want the marker alone", n)
	}
}
