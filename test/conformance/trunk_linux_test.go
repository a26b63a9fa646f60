package conformance

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"

	"github.com/uvtep/uvtep/vtep/forward"
)

// TestP1Trunk: a VLAN of a trunk port is a VNI. The tag is taken off before a
// frame leaves and put on before it is handed up, another tag below it stays.
func TestP1Trunk(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f)
		for _, words := range []string{
			"port add trunk0 trunk", "port set trunk0 up",
			"link add v100 id 1100 trunk trunk0 vlan 100 " + f.words(),
			"link add v200 id 1200 trunk trunk0 vlan 200 innervlan drop " + f.words(), "link set v100 up", "link set v200 up",
		} {
			if _, stderr, err := r.uvtepCLI(strings.Fields(words)...); err != nil {
				t.Fatalf("uvtep %s: %v %s", words, err, stderr)
			}
		}
		trunk := *r
		trunk.inner = must(r.dut.OpenPacket("trunk0"))(t)
		trunk.vni = 1100
		for name, tags := range map[string][]layers.EthernetType{
			"tag":            {layers.EthernetTypeDot1Q},
			"tag over a tag": {layers.EthernetTypeDot1Q, layers.EthernetTypeDot1Q},
		} {
			frame := frameTo(broadcast, tagged(tags...))
			trunk.inject(frame)
			if p := r.next(); p.vxlan.VNI != 1100 || !bytes.Equal(p.frame, untagged(frame)) {
				t.Errorf("%s: VNI %d, %s, want VNI 1100, %s", name, p.vxlan.VNI, describe(p.frame), describe(untagged(frame)))
			}
			frame = frameFrom(farMAC, tagged(tags...))
			trunk.send(trunk.packet(untagged(frame)))
			trunk.arrives(frame)
		}
		count := func() uint64 { return must(r.client.Stats(t.Context()))(t).Drops[forward.TxUnknownVLAN.String()] }
		before := count()
		trunk.inject(frameTo(broadcast))
		trunk.inject(frameTo(broadcast, tagged(layers.EthernetTypeQinQ))) // a service tag is none of ours
		r.until("frames of no VLAN are counted", func() bool { return count() == before+2 })
		r.nothingSent()
		if e := r.entry(farMAC); e.IsValid() {
			t.Errorf("vxlan0 learned %s of another VNI", farMAC)
		}
	})
}

// untagged is a frame without its outermost tag.
func untagged(frame []byte) []byte { return slices.Concat(frame[:12], frame[16:]) }
