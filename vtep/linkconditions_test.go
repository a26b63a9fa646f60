package vtep_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// TestConditionsAreLogged: however many frames are lost, the log has a line where
// that begins and one where it has ended, with counts.
func TestConditionsAreLogged(t *testing.T) {
	for name, test := range map[string]struct {
		edit  func(*vtep.LinkConfig)
		begin func(r *rig)
		lose  func(r *rig, n int)
		text  string
	}{
		"no route": {
			edit:  func(c *vtep.LinkConfig) { c.NoLoopGuard = true }, // the frames are the same
			begin: func(r *rig) { r.host.Block(addrB) },
			lose:  func(r *rig, _ int) { r.out(frame(macB, macA, "x")) },
			text:  "no route leads to it",
		},
		"full table": {
			edit: func(c *vtep.LinkConfig) { c.MaxAddresses = 1; acceptAny(c) },
			lose: func(r *rig, n int) { r.in(addrB, frame(macA, encap.MAC{2, 0, 0, 1, byte(n >> 8), byte(n)}, "x")) },
			text: "the forwarding database is full",
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, net *vteptest.Network) {
				var out bytes.Buffer
				h := net.Host(addrA)
				v := vtep.New(vtep.Config{Host: h, Log: slog.New(slog.NewTextHandler(&out, nil)), Workers: 1})
				ctx, cancel := context.WithCancel(context.Background())
				done := make(chan error, 1)
				go func() { done <- v.Run(ctx) }()
				r := &rig{node: &node{VTEP: v, host: h, net: net, addr: addrA}, t: t, wire: net.Capture(), link: "vxlan0"}
				c := vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB}
				if test.edit != nil {
					test.edit(&c)
				}
				r.dev = r.addUp(t, c)
				if test.begin != nil {
					test.begin(r)
				}
				for n := range 3800 {
					test.lose(r, n)
					time.Sleep(time.Millisecond)
				}
				time.Sleep(30 * time.Second)
				synctest.Wait()
				cancel()
				must(t, <-done)
				lines := strings.Split(strings.TrimSpace(out.String()), "\n")
				if len(lines) != 2 || !strings.Contains(lines[0], test.text) || !strings.Contains(lines[1], "level=INFO") ||
					!strings.Contains(lines[1], "count=38") && !strings.Contains(lines[1], "count=379") || !strings.Contains(lines[1], "link=vxlan0") {
					t.Errorf("want a line with %q and one with the count at the end, got %d:\n%s", test.text, len(lines), out.String())
				}
			})
		})
	}
}
