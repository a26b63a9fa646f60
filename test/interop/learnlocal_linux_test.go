package interop_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/test/lab"
)

// TestLearnLocal: beside a kernel VTEP, a link with learnlocal tells its own device's MAC and
// IP addresses; a host that the kernel VTEP had and that announces itself on this side is here
// at once, and behind the kernel VTEP again once it speaks from there.
func TestLearnLocal(t *testing.T) {
	t.Parallel()
	sites := newSites(t, families()[0], lab.WireOptions{}, uvtep, kernel)
	a, b := sites[0], sites[1]
	for i, s := range sites {
		s.addLink(t, link{mac: staticMAC(s.n), remote: sites[1-i].outer})
		s.overlay(t, "vxlan0")
	}
	a.daemon.uvtep(t, "link", "set", "vxlan0", "type", "vxlan", "learnlocal")
	c := client.New(a.daemon.socket)
	defer c.Close()
	events := must(c.Follow(t.Context(), "vxlan0", api.ObjectLocal))(t)
	defer events.Close()
	ping(t, a.Host, inner4(b.n).Addr(), 56)
	heard := func(what string, want func(*api.Event) bool) *api.Event {
		t.Helper()
		for {
			e := must(events.Next())(t)
			if e.Event == api.EventLost {
				t.Fatalf("%s: events were lost", what)
			}
			if want(&e) {
				return &e
			}
		}
	}
	own, far := a.mac(t, "vxlan0"), b.mac(t, "vxlan0")
	heard("the device's address", func(e *api.Event) bool {
		return e.Event == api.EventNew && e.Local.MAC == own && e.Local.IP == inner4(a.n).Addr()
	})
	a.wantEntry(t, "vxlan0", fmt.Sprintf("%s dst %s self ", far, b.outer))

	port := must(a.OpenPacket("vxlan0"))(t)
	defer port.Close()
	began := time.Now()
	check(t, port.Send(announcement(must(net.ParseMAC(far))(t), inner4(b.n).Addr().AsSlice())))
	moved := heard("the host comes here", func(e *api.Event) bool { return e.Event == api.EventMove && e.Local.MAC == far })
	t.Logf("told %v after the announcement", time.Since(began).Round(time.Microsecond))
	if moved.Old != b.outer {
		t.Errorf("moved from %v, want %v", moved.Old, b.outer)
	}
	heard("its address", func(e *api.Event) bool {
		return e.Local != nil && e.Local.MAC == far && e.Local.IP == inner4(b.n).Addr()
	})
	if all := must(c.FDB(t.Context(), api.FDBFilter{Dev: "vxlan0", MAC: far}))(t); len(all) != 0 {
		t.Errorf("the entry is there although its host is here: %+v", all)
	}
	if out := a.daemon.uvtep(t, "fdb", "show", "dev", "vxlan0", "local"); out == "" {
		t.Error("fdb show local prints nothing")
	}
	ping(t, b.Host, inner4(a.n).Addr(), 56)
	heard("the host goes back", func(e *api.Event) bool {
		return e.Event == api.EventDel && e.Local.MAC == far && !e.Local.IP.IsValid() && e.Reason == "moved"
	})
	a.wantEntry(t, "vxlan0", fmt.Sprintf("%s dst %s self ", far, b.outer))
}

// announcement is an ARP announcement (RFC 5227 section 2.3): ip is at mac.
func announcement(mac net.HardwareAddr, ip []byte) []byte {
	f := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, mac...)
	f = append(f, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
	f = append(append(append(f, mac...), ip...), 0, 0, 0, 0, 0, 0)
	return append(f, ip...)
}
