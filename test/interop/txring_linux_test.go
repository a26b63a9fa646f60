package interop_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// TestTXRing: a confined daemon's copies that leave by a ring arrive at each remote, once and in order.
func TestTXRing(t *testing.T) {
	t.Parallel()
	const frames = 100
	for _, f := range testedFamilies() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			sites := newSitesWith(t, f, lab.WireOptions{}, []string{"--tx-ring=on"}, uvtep, kernel, kernel, uvtep, uvtep)
			join(t, sites[:2], netip.Addr{})
			a := sites[0]
			for _, s := range sites[2:] {
				a.fdb(t, "append", "vxlan0", "00:00:00:00:00:00", s.outer)
				s.addLink(t, link{remote: a.outer})
				s.overlay(t, "vxlan0")
			}
			for _, s := range sites[1:] {
				check(t, a.MustReach(inner4(s.n).Addr(), 56, soon))
			}
			to := inner4(a.n).Masked().Addr().AsSlice()
			for i := inner4(a.n).Bits(); i < 32; i++ {
				to[i/8] |= 0x80 >> (i % 8)
			}
			flood := func(text string) {
				check(t, a.Do(func() error {
					c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: to, Port: 9})
					if err != nil {
						return err
					}
					for i := range frames {
						if _, err := fmt.Fprintf(c, "%s %03d", text, i); err != nil {
							return err
						}
					}
					return c.Close()
				}))
			}
			check(t, lab.Eventually(soon, func() error {
				flood("before")
				if o := a.daemon.offload(t, "vxlan0").Ring; !o.On || o.Reason != "" {
					return fmt.Errorf("tx ring %+v", o)
				}
				return nil
			}))
			var wires []*lab.Capture
			for _, s := range sites[1:] {
				wires = append(wires, must(s.Capture("vxlan0", 0))(t))
			}
			flood("then")
			for i, w := range wires {
				var got []string
				check(t, lab.Eventually(soon, func() error {
					got = nil
					for _, p := range w.Packets() {
						for _, text := range bytes.Split(p.Data, []byte("then "))[1:] { // a superframe has several
							got = append(got, string(text[:3]))
						}
					}
					if len(got) < frames {
						return fmt.Errorf("remote %d has %d of %d", i, len(got), frames)
					}
					return nil
				}))
				must(w.Stop())(t)
				if len(got) != frames || !slices.IsSorted(got) {
					t.Errorf("remote %d has %d frames: %v", i, len(got), got)
				}
			}
			noErrors(t, sites)
		})
	}
}
