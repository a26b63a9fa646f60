package vtep_test

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/vtep"
)

func TestMain(m *testing.M) { os.Exit(lab.TestMain(m)) }

// TestSystemKernelPeer joins a VTEP on real devices with a kernel VTEP.
func TestSystemKernelPeer(t *testing.T) {
	l := lab.ForTest(t)
	lab.NeedKernelVXLAN(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a, err := l.Host("a")
	must(err)
	b, err := l.Host("b")
	must(err)
	w, err := l.Wire(a, b, lab.WireOptions{})
	must(err)
	must(a.AddAddr(w.A, netip.PrefixFrom(addrA, 24)))
	must(b.AddAddr(w.B, netip.PrefixFrom(addrB, 24)))
	v := vtep.New(vtep.Config{Host: &vtep.SystemHost{}, Log: slog.New(slog.DiscardHandler)})
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- v.Run(ctx) }()
	defer func() {
		cancel()
		must(<-done)
	}()
	must(a.Do(func() error {
		return v.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 42, Local: addrA, Remote: addrB})
	}))
	must(b.AddKernelVXLAN(lab.KernelVXLAN{Name: "vxlan0", VNI: 42, Local: addrB, Remote: addrA, Dev: w.B}))
	to := netip.MustParsePrefix("198.51.100.2/24")
	must(a.AddAddr("vxlan0", netip.MustParsePrefix("198.51.100.1/24")))
	must(b.AddAddr("vxlan0", to))
	must(a.MustReach(to.Addr(), 56, 5*time.Second))
	for _, way := range [][2]*lab.Host{{a, b}, {b, a}} {
		dst := to.Addr()
		if way[0] == b {
			dst = netip.MustParseAddr("198.51.100.1")
		}
		r, err := lab.TCPTransfer(way[0], way[1], dst, 100<<20)
		must(err)
		t.Logf("%s to %s: %s", way[0].Name(), way[1].Name(), r)
	}
	info, err := v.Link("vxlan0")
	must(err)
	t.Logf("%+v", info)
}
