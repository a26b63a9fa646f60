package vtep

import (
	"slices"
	"testing"
)

// TestStorms: a storm is who has more than all that are none, if it is enough to be in the way of somebody.
func TestStorms(t *testing.T) {
	const k = 1000
	for _, c := range []struct {
		name  string
		rates []uint64
		want  int // the first so many, in order of rate
	}{
		{"nobody", nil, 0},
		{"one link alone is in nobody's way", []uint64{500 * k}, 0},
		{"nor where the others hardly send", []uint64{500 * k, 99}, 0},
		{"a storm beside a stream of superframes", []uint64{250 * k, 8 * k}, 1},
		{"a storm beside a few packets", []uint64{250 * k, 100}, 1},
		{"little is no storm", []uint64{19 * k, 1 * k}, 0},
		{"two alike", []uint64{100 * k, 100 * k}, 0},
		{"two alike in a third one's way", []uint64{100 * k, 100 * k, 1 * k}, 0},
		{"a storm beside many that together have more", []uint64{100 * k, 40 * k, 40 * k, 40 * k}, 0},
		{"a storm behind a storm", []uint64{250 * k, 60 * k, 5 * k}, 2},
		{"a storm and an ordinary second", []uint64{250 * k, 60 * k, 50 * k, 20 * k}, 1},
	} {
		var list []stormed
		for i, r := range c.rates {
			list = append(list, stormed{&Link{cfg: LinkConfig{VLAN: uint16(i)}}, r})
		}
		slices.Reverse(list)
		got := storms(list)
		if len(got) != c.want {
			t.Errorf("%s: %d storms, want %d", c.name, len(got), c.want)
		}
		for i, l := range got {
			if l.cfg.VLAN != uint16(i) {
				t.Errorf("%s: storm %d is link %d", c.name, i, l.cfg.VLAN)
			}
		}
	}
}
