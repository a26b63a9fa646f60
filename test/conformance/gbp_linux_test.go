package conformance

import (
	"bytes"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/vtep/forward"
)

// withHeader replaces the first four bytes of the VXLAN header.
func withHeader(b ...byte) func(*outer) { return func(o *outer) { copy(o.payload, b) } }

func TestL17GBP(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f, "gbp gbpid 4660 reserved drop")
		events := r.listens(api.ObjectLink)
		sends := func(want ...byte) {
			t.Helper()
			for _, dst := range []string{broadcast, markerOut} {
				if p := r.emit(frameTo(dst)); !bytes.Equal(p.header[:4], want) {
					t.Errorf("to %s: the header begins with %x, want %x", dst, p.header[:4], want)
				}
			}
		}
		var told uint16
		policy := func(want uint16) {
			t.Helper()
			for told != want {
				told = r.hears(events, api.EventPolicy).Policy.ID
			}
			r.until("tell the policy id", func() bool { return r.stats().PolicyID == want })
		}
		sends(0x88, 0, 0x12, 0x34)
		r.delivers(frameFrom(farMAC), withHeader(0x88, 0, 0xab, 0xcd))
		policy(0xabcd)
		r.delivers(frameFrom(farMAC), withHeader(0x88, 0x08, 0, 7)) // A: policy applied
		policy(7)
		r.delivers(frameFrom(farMAC)) // without the extension
		policy(7)
		r.delivers(frameFrom(farMAC2), withHeader(0x88, 0x40, 0, 8)) // D: don't learn
		if e := r.entry(farMAC2); e.IsValid() {
			t.Errorf("%s was learned of a packet that says not to", farMAC2)
		}
		if e := r.entry(farMAC); e != r.peers[0] {
			t.Errorf("%s is behind %v, want %s", farMAC, e, r.peers[0])
		}
		r.refuses(forward.RxReserved, r.packet(frameFrom(farMAC), withHeader(0x8c, 0, 0, 7)))

		for _, change := range []struct {
			words string
			want  []byte
		}{
			{"gbpid 1", []byte{0x88, 0, 0, 1}},
			{"gbpid 0", []byte{0x08, 0, 0, 0}},
			{"gbpid 77", []byte{0x88, 0, 0, 77}},
			{"nogbp", []byte{0x08, 0, 0, 0}},
			{"gbp", []byte{0x08, 0, 0, 0}},
		} {
			set := append([]string{"link", "set", "vxlan0", "type", "vxlan"}, strings.Fields(change.words)...)
			if _, stderr, err := r.uvtepCLI(set...); err != nil {
				t.Fatalf("%v: %v: %s", set, err, stderr)
			}
			sends(change.want...)
		}
	})
	r := startRig(t, ipv4Underlay(), "reserved drop")
	r.refuses(forward.RxReserved, r.packet(frameFrom(farMAC), withHeader(0x88, 0, 0, 7)))
	if _, _, err := r.uvtepCLI("link", "set", "vxlan0", "type", "vxlan", "gbpid", "7"); err == nil {
		t.Error("gbpid was taken without gbp")
	}
}
