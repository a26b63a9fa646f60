package conformance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/vtep/forward"
)

func hops(ttl uint8) func(*outer) { return func(o *outer) { o.ttl = ttl } }

// TestS07MinTTL: what has crossed too many routers is dropped, whoever it says that it is from, and only that.
func TestS07MinTTL(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f, "min_ttl 254")
		r.to.ttl = 255
		for _, ttl := range []uint8{255, 254} {
			r.delivers(frameFrom(farMAC), hops(ttl))
		}
		for _, ttl := range []uint8{253, 64, 1} {
			r.refuses(forward.RxLowTTL, r.packet(frameFrom(farMAC2), hops(ttl)))
		}
		if at := r.entry(farMAC2); at.IsValid() {
			t.Errorf("a packet with a low TTL has been learned from: behind %s", at)
		}
		r.refuses(forward.RxLowTTL, r.packet(frameFrom(farMAC), from(r.peers[1]), hops(253)))
		r.refuses(forward.RxNotPeer, r.packet(frameFrom(farMAC), from(r.peers[1]), hops(255)))
		out, _, err := r.uvtepCLI("-d", "link", "show", "vxlan0")
		if err != nil || !strings.Contains(out, "min_ttl 254") {
			t.Errorf("link show: %v\n%s", err, out)
		}
		for _, words := range []string{"min_ttl 65", "min_ttl 0"} {
			_, stderr, err := r.uvtepCLI(append([]string{"link", "set", "vxlan0", "type", "vxlan"}, strings.Fields(words)...)...)
			if err != nil {
				t.Fatalf("link set %s: %v: %s", words, err, stderr)
			}
			if words == "min_ttl 0" {
				r.delivers(frameFrom(farMAC2), hops(1))
				continue
			}
			r.refuses(forward.RxLowTTL, r.packet(frameFrom(farMAC2), hops(64)))
			r.delivers(frameFrom(farMAC2), hops(65))
		}
	})
}

// TestS07MinTTLOfEachLink: links of one socket judge each by its own limit.
func TestS07MinTTLOfEachLink(t *testing.T) {
	r := startRig(t, ipv4Underlay())
	id, limit := uint32(43), uint8(255)
	local := r.local.Addr()
	check(t, r.client.AddLink(t.Context(), api.LinkChange{
		LinkSpec: api.LinkSpec{Name: "vxlan1", ID: &id, Remote: &r.peers[0], Local: &local, MinTTL: &limit}, Up: new(true)}))
	to := r.in(t)
	to.vni, to.inner = id, must(r.dut.OpenPacket("vxlan1"))(t)
	low := func() uint64 {
		return must(r.client.Link(t.Context(), "vxlan1"))(t).Stats.Drops[forward.RxLowTTL.String()]
	}
	for n := range uint64(5) {
		r.delivers(frameFrom(farMAC), hops(2))
		to.send(to.packet(frameFrom(farMAC), hops(254)))
		r.until("count a low TTL", func() bool { return low() == n+1 })
		to.delivers(frameFrom(farMAC), hops(255))
	}
	if n := r.drops(forward.RxLowTTL); n != 0 {
		t.Errorf("%d packets of the other link were counted", n)
	}
}

// TestS07KernelPeer: a VTEP of the kernel that sends with TTL 255 is heard, and one that sends with the default is not.
func TestS07KernelPeer(t *testing.T) {
	f := ipv4Underlay()
	v := lab.KernelVXLAN{Name: "vxlan0", VNI: 42, Local: f.peers[0], Remote: f.local.Addr(), TTL: 255}
	k := newKernelPair(t, f, lab.WireOptions{}, "min_ttl 255 ttl 255", func(made *lab.KernelVXLAN) {
		made.TTL = v.TTL
		v = *made
	})
	k.transfers(false, 4<<20)
	check(t, k.b.DelLink("vxlan0"))
	v.TTL = 254
	check(t, k.b.AddKernelVXLAN(v), k.b.AddAddr("vxlan0", overlay(false)[1]))
	if p := must(k.b.Ping(lab.PingConfig{Dst: overlay(false)[0].Addr(), Count: 1, Timeout: 300 * time.Millisecond}))(t); p.Received > 0 {
		t.Error(fmt.Sprint("a kernel VTEP with TTL 254 is heard: ", p))
	}
}
