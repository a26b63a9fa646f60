package forward

import (
	"bytes"
	"slices"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// TestAlike: what cannot be a train of whole frames of one VNI is none, however its
// bytes repeat.
func TestAlike(t *testing.T) {
	h := encap.HeaderFor(42)
	plain := slices.Concat(here[:], there[:], []byte{0x88, 0xb5}, []byte("0123456789"))
	piece := slices.Concat(h[:], plain)
	packet, beyond := ipFrame(here, there, 100), ipFrame(here, there, 100)
	beyond[16], beyond[17] = 0x0b, 0xb8 // its length is 3000
	repeat := func(b []byte, n int, rest ...byte) []byte { return append(bytes.Repeat(b, n), rest...) }
	for name, tt := range map[string]struct {
		payload []byte
		size    int
		want    bool
	}{
		"whole":                     {repeat(piece, 4), len(piece), true},
		"whole packets":             {repeat(slices.Concat(h[:], packet), 2), encap.HeaderLen + len(packet), true},
		"a shorter last one":        {repeat(piece, 3, piece[:24]...), len(piece), true},
		"pieces without a frame":    {repeat(slices.Concat(h[:], []byte{1, 2}), 9), 10, false},
		"less than a header left":   {repeat(piece, 3, 1, 2, 3), len(piece), false},
		"less than a frame left":    {repeat(piece, 3, piece[:12]...), len(piece), false},
		"another header":            {repeat(piece, 3, slices.Concat([]byte{8, 0, 0, 0, 0, 0, 43, 0}, plain)...), len(piece), false},
		"a packet beyond its piece": {slices.Concat(h[:], beyond, h[:], packet), encap.HeaderLen + len(beyond), false},
	} {
		if got := alike(tt.payload, tt.size); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
