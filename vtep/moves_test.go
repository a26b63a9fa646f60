package vtep_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// TestL05MovesAreLogged: one line a second, however many addresses move.
func TestL05MovesAreLogged(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		var out bytes.Buffer
		v := vtep.New(vtep.Config{Host: net.Host(addrA), Log: slog.New(slog.NewTextHandler(&out, nil))})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- v.Run(ctx) }()
		c := vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB}
		acceptAny(&c)
		must(t, v.AddLink(c))
		must(t, v.SetLinkUp("vxlan0", true))
		send := func(from netip.Addr, mac encap.MAC) {
			net.Send(netip.AddrPortFrom(from, 1), netip.AddrPortFrom(addrA, 4789), 0, pack(42, frame(macA, mac, "x")))
			synctest.Wait()
		}
		for i := range byte(50) {
			send(addrB, encap.MAC{2, 0, 0, 0, 2, i})
			send(addrC, encap.MAC{2, 0, 0, 0, 2, i})
		}
		time.Sleep(1500 * time.Millisecond) // the bubble's clock
		synctest.Wait()
		time.Sleep(3 * time.Second)
		cancel()
		must(t, <-done)
		want := "moves=50 last=02:00:00:00:02:31 from=192.0.2.2 to=192.0.2.3"
		if n := strings.Count(out.String(), "moves="); n != 1 || !strings.Contains(out.String(), want) {
			t.Errorf("%d lines about moves, want one with %q:\n%s", n, want, out.String())
		}
	})
}
