package vtep_test

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// TestReceivesSingly: what cannot be decided has the endpoint go on without UDP_GRO
// at once, for ten minutes, on sockets of its own; links and their frames stay.
func TestReceivesSingly(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		h := &offloadHost{Host: net.Host(addrA)}
		v, log := running(t, vtep.Config{Host: h, Workers: 2})
		n := &node{VTEP: v, host: h.Host, net: net, addr: addrA}
		links := map[string]encap.VNI{"vxlan0": 42, "vxlan1": 43}
		for name, vni := range links {
			n.addUp(t, vtep.LinkConfig{Name: name, VNI: vni, Remote: addrB, MTU: 1450, MinTTL: 64})
		}
		h.ArriveBy(vteptest.Veth0)
		mixed := func() {
			// One batch, or there is nothing to join.
			n.hear(addrB, pack(42, frame(macA, macB, "one")))
			n.hear(addrB, pack(43, frame(macA, macB, "two")))
			synctest.Wait()
		}
		gro := func(want bool) {
			t.Helper()
			all := h.Receivers()
			if len(all) != 1 || all[0].NoGRO == want {
				t.Fatalf("receivers %+v, want one, with UDP_GRO: %v", all, want)
			}
			for name := range links {
				info, err := n.Link(name)
				must(t, err)
				if reason := info.Offloads.UDPGRO.Reason; (reason == "") != want {
					t.Errorf("%s: the reason shown is %q", name, reason)
				}
			}
		}
		got := func(name string) int { return len(drain(h.Device(name).Output())) }
		gro(true)
		tries := 0
		for ; n.stats(t, "vxlan0").Drops[forward.RxUndecided]+n.stats(t, "vxlan1").Drops[forward.RxUndecided] == 0; tries++ {
			if tries == 1000 {
				t.Fatal("the two were never joined")
			}
			mixed()
		}
		gro(false)
		got("vxlan0")
		got("vxlan1")
		for range 10 {
			mixed()
		}
		if a, b := got("vxlan0"), got("vxlan1"); a != 10 || b != 10 {
			t.Errorf("%d and %d frames came out, want 10 of each", a, b)
		}
		// The new sockets tell the TTL, too.
		n.net.SendTTL(netip.AddrPortFrom(addrB, 12345), netip.AddrPortFrom(addrA, encap.DefaultPort), 63, pack(42, frame(macA, macB, "far")))
		if low := n.stats(t, "vxlan0").Drops[forward.RxLowTTL]; low != 1 || got("vxlan0") != 0 {
			t.Errorf("%d packets were dropped for their TTL, want 1", low)
		}
		must(t, n.AddLink(vtep.LinkConfig{Name: "vxlan2", VNI: 44, Remote: addrB})) // shares the sockets
		must(t, n.DelLink("vxlan2"))
		time.Sleep(9*time.Minute + 58*time.Second)
		gro(false)
		time.Sleep(4 * time.Second)
		gro(true)
		if n := strings.Count(log.String(), "UDP GRO is off for ten minutes"); n != 1 {
			t.Errorf("%d lines, want one:\n%s", n, log.String())
		}
		must(t, n.DelLink("vxlan0"))
		got("vxlan1")
		n.hear(addrB, pack(43, frame(macA, macB, "two")))
		synctest.Wait()
		if b := got("vxlan1"); b != 1 {
			t.Errorf("%d frames came out of the link that is left, want 1", b)
		}
	})
}

// TestMeetsDevices: a device that came after the start is asked about when the first
// packet arrives by it, once; until then its senders are doubted.
func TestMeetsDevices(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		h := &askedHost{Host: net.Host(addrA)}
		n := startNode(t, net, h.Host, h, addrA)
		d := n.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB, MTU: 1450})
		if h.asked != 1 {
			t.Fatalf("asked %d times before the first endpoint, want once", h.asked)
		}
		trusted := func() bool {
			t.Helper()
			n.hear(addrB, pack(42, partial(t, packet{payload: 100}.build(t))))
			synctest.Wait()
			all := drain(d.Output())
			if len(all) != 1 {
				t.Fatalf("%d frames", len(all))
			}
			return all[0].Offload.Csum == encap.CsumPartial
		}
		const late = 77
		h.ArriveBy(late)
		h.late = late
		if trusted() {
			t.Error("what an unknown device brings is trusted")
		}
		if !trusted() || h.asked != 2 {
			t.Errorf("a veth that is known by now is not trusted; asked %d times, want 2", h.asked)
		}
		h.ArriveBy(78) // nobody knows it
		for range 5 {
			time.Sleep(time.Second)
			if trusted() {
				t.Error("what an unknown device brings is trusted")
			}
		}
		if h.asked != 3 {
			t.Errorf("asked %d times, want 3", h.asked)
		}
		for range 50 {
			h.ArriveBy(h.device())
			trusted()
		}
		if h.asked > 4 {
			t.Errorf("asked %d times within a second", h.asked)
		}
	})
}

// askedHost counts how often it is asked for devices, and has one that came late.
type askedHost struct {
	*vteptest.Host
	asked int
	late  uint32
	index uint32
}

func (h *askedHost) device() uint32 { h.index++; return 1000 + h.index }

func (h *askedHost) Origins(known map[uint32]underlay.Device) (underlay.Origins, error) {
	o, err := h.Host.Origins(known)
	if known != nil {
		o.Devices = known
		return o, err
	}
	h.asked++
	if h.late != 0 {
		o.Devices[h.late] = underlay.Device{Origin: encap.OriginHere}
	}
	return o, err
}
