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

	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// TestOtherDeviceIsToldOnce: where a device was made again and refuses the sockets for
// a while, the log has one line of it and not one a second.
func TestOtherDeviceIsToldOnce(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		h := &hooks{Host: net.Host(addrA)}
		var out bytes.Buffer // read when the VTEP has ended
		v := vtep.New(vtep.Config{Host: h, Log: slog.New(slog.NewTextHandler(&out, nil)), Workers: 1})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- v.Run(ctx) }()
		must(t, v.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 42, Dev: "eth0", Group: netip.MustParseAddr("239.1.1.1")}))
		must(t, v.SetLinkUp("vxlan0", true))
		other := underlay.Interface{Index: 9}
		h.let(rules{vrf: other, transmit: func(underlay.TransmitterConfig) error { return errRefused }})
		time.Sleep(10 * time.Second)
		h.let(rules{vrf: other})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		cancel()
		must(t, <-done)
		if n := strings.Count(out.String(), "another one now"); n != 1 {
			t.Errorf("told %d times:\n%s", n, out.String())
		}
		if !strings.Contains(out.String(), "the link is complete") {
			t.Errorf("the link did not follow:\n%s", out.String())
		}
	})
}
