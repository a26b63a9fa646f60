package conformance

import (
	"bytes"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/test/lab"
)

// TestL16LocalBypass: a remote that is another link of this daemon is reached
// without the network, here the loopback device; with nolocalbypass through it.
func TestL16LocalBypass(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := newRig(t, f)
		own := r.local.Addr()
		r.start("id 42 local", own.String(), "remote", own.String(), "dev", r.wire.A)
		check(t, r.client.AddLink(t.Context(), api.LinkChange{
			LinkSpec: api.LinkSpec{Name: "vxlan1", ID: new(uint32(43)), Remote: &own, Local: &own, DstPort: new(uint16(4790)), Learning: new(false)},
			Up:       new(true),
		}))
		r.fdb("add", api.FDBEntry{MAC: farMAC, Dst: own, Port: 4790, VNI: new(uint32(43))})
		lo, other := must(r.dut.OpenPacket("lo"))(t), must(r.dut.OpenPacket("vxlan1"))(t)

		first := frameTo(farMAC)
		r.inject(first)
		if _, err := other.WaitFor(isFrame(first), patience); err != nil {
			t.Fatalf("the other link's host was not handed the frame: %v", err)
		}
		if _, stderr, err := r.uvtepCLI("link", "set", "vxlan0", "type", "vxlan", "nolocalbypass"); err != nil {
			t.Fatalf("link set nolocalbypass: %v: %s", err, stderr)
		}
		second := frameTo(farMAC)
		r.inject(second)
		if _, err := other.WaitFor(isFrame(second), patience); err != nil {
			t.Fatalf("nolocalbypass: the other link's host was not handed the frame: %v", err)
		}
		_, err := lo.WaitFor(func(p lab.Packet) bool {
			if bytes.HasSuffix(p.Data, first) {
				t.Error("the first frame crossed the loopback device")
			}
			return bytes.HasSuffix(p.Data, second)
		}, patience)
		if err != nil {
			t.Errorf("nolocalbypass: the loopback device did not see the packet: %v", err)
		}
		if out, _, err := r.uvtepCLI("-d", "link", "show", "vxlan0"); err != nil || !strings.Contains(out, " nolocalbypass ") {
			t.Errorf("link show -d: %v:\n%s", err, out)
		}
	})
}
