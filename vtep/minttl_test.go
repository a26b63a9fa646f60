package vtep_test

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// TestMinTTL: each link judges by its own limit, whatever other links of the sockets have, from the packet after the
// change on; the sockets tell the TTL only while a link asks.
func TestMinTTL(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		near := r.addUp(t, vtep.LinkConfig{Name: "near", VNI: 43, Remote: addrB, MinTTL: 254})
		takes := func(dev *vteptest.Device, vni encap.VNI, ttl uint8) bool {
			t.Helper()
			net.SendTTL(netip.AddrPortFrom(addrB, 12345), netip.AddrPortFrom(addrA, encap.DefaultPort), ttl, pack(vni, frame(macA, macB, "x")))
			synctest.Wait()
			return len(drain(dev.Output())) == 1
		}
		low := uint64(0)
		judges := func(dev *vteptest.Device, name string, vni encap.VNI, limit uint8) {
			t.Helper()
			before := r.stats(t, name).Drops[forward.RxLowTTL]
			for _, ttl := range []uint8{0, 1, 63, 64, 253, 254, 255} {
				if took := takes(dev, vni, ttl); took != (ttl >= limit) {
					t.Errorf("%s with min_ttl %d: a packet with TTL %d is taken: %v", name, limit, ttl, took)
				} else if !took {
					before++
				}
			}
			if low = r.stats(t, name).Drops[forward.RxLowTTL]; low != before {
				t.Errorf("%s: %d packets were counted, want %d", name, low, before)
			}
		}
		set := func(name string, n uint8) {
			t.Helper()
			must(t, r.UpdateLink(name, func(c *vtep.LinkConfig) error { c.MinTTL = n; return nil }))
		}
		judges(near, "near", 43, 254)
		judges(r.dev, r.link, 42, 0)
		set(r.link, 64)
		judges(r.dev, r.link, 42, 64)
		judges(near, "near", 43, 254)
		set("near", 0)
		judges(near, "near", 43, 0)
		judges(r.dev, r.link, 42, 64)
		must(t, r.DelLink("near"))
		judges(r.dev, r.link, 42, 64)
		// Packets for a link of every address arrive at the socket of another link's address.
		own := r.addUp(t, vtep.LinkConfig{Name: "own", VNI: 44, Local: addrA, Remote: addrB})
		for _, limit := range []uint8{64, 0, 254} {
			set(r.link, limit)
			judges(r.dev, r.link, 42, limit)
			judges(own, "own", 44, 0)
		}
		must(t, r.DelLink("own"))
		judges(r.dev, r.link, 42, 254)
		must(t, r.SetLinkUp(r.link, false))
		if takes(r.dev, 42, 1) || r.stats(t, r.link).Drops[forward.RxLowTTL] != low {
			t.Error("what comes to a link that is down is counted for its TTL")
		}
		must(t, r.SetLinkUp(r.link, true))
		set(r.link, 255)
		must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.DstPort = 4790; return nil }))
		net.SendTTL(netip.AddrPortFrom(addrB, 12345), netip.AddrPortFrom(addrA, 4790), 254, pack(42, frame(macA, macB, "x")))
		if n := r.stats(t, r.link).Drops[forward.RxLowTTL]; n != low+1 {
			t.Errorf("on another port %d packets were counted, want 1", n-low)
		}
	})
}

// blindHost has receivers that do not know the TTL.
type blindHost struct{ *vteptest.Host }

func (h blindHost) Listen(c underlay.ReceiverConfig) (vtep.Receiver, int, error) {
	r, n, err := h.Host.Listen(c)
	return struct{ vtep.Receiver }{r}, n, err
}

// TestMinTTLUnknown: a link that could not judge is refused.
func TestMinTTLUnknown(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		h := net.Host(addrA)
		n := startNode(t, net, h, blindHost{h}, addrA)
		if err := n.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB, MinTTL: 255}); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("a link with min_ttl: %v", err)
		}
		must(t, n.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB}))
		if err := n.UpdateLink("vxlan0", func(c *vtep.LinkConfig) error { c.MinTTL = 255; return nil }); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("link set min_ttl: %v", err)
		}
	})
}
