package vtep

import (
	"slices"
	"testing"

	"github.com/uvtep/uvtep/fdb"
)

// StormAt has v take fewer messages for a storm, on a machine that is busy.
func (v *VTEP) StormAt(least uint64) { v.stormAt = least }

// TestStorms: a storm is who has more than all that are none, if it is enough to be in the way of somebody.
func TestStorms(t *testing.T) {
	const k = 1000
	for _, c := range []struct {
		name  string
		rates []uint64
		want  int  // the first so many, in order of rate
		lossy bool // the socket loses datagrams
	}{
		{"nobody", nil, 0, false},
		{"the others send little because of it", []uint64{500 * k, 1}, 1, true},
		{"none of the others sends", []uint64{500 * k, 0}, 0, true},
		{"one link alone is in nobody's way", []uint64{500 * k}, 0, false},
		{"nor where the others hardly send", []uint64{500 * k, 99}, 0, false},
		{"a storm beside a stream of superframes", []uint64{250 * k, 8 * k}, 1, false},
		{"a storm beside a few packets", []uint64{250 * k, 100}, 1, false},
		{"little is no storm", []uint64{19 * k, 1 * k}, 0, false},
		{"two alike", []uint64{100 * k, 100 * k}, 0, false},
		{"two alike in a third one's way", []uint64{100 * k, 100 * k, 1 * k}, 0, false},
		{"a storm beside many that together have more", []uint64{100 * k, 40 * k, 40 * k, 40 * k}, 0, false},
		{"a storm behind a storm", []uint64{250 * k, 60 * k, 5 * k}, 2, false},
		{"a storm and an ordinary second", []uint64{250 * k, 60 * k, 50 * k, 20 * k}, 1, false},
	} {
		var list []stormed
		for i, r := range c.rates {
			list = append(list, stormed{&Link{cfg: LinkConfig{VLAN: uint16(i)}}, r})
		}
		slices.Reverse(list)
		others := uint64(othersMessages)
		if c.lossy {
			others = 1
		}
		got := storms(list, stormMessages, others)
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

// TestRateOfAStorm: what came while nobody looked is no rate.
func TestRateOfAStorm(t *testing.T) {
	var a asideState
	for _, c := range []struct {
		n      uint64
		now    fdb.Tick
		passed uint64
		rate   uint64
		ok     bool
	}{
		{5_000_000, 1000, 1, 0, false}, // in a thousand seconds
		{5_000_300, 1001, 1, 300, true},
		{5_000_900, 1004, 3, 200, true},
		{9_000_000, 2000, 1, 0, false}, // idle looks between
		{9_000_100, 2001, 1, 100, true},
	} {
		if rate, ok := a.rate(c.n, c.now, c.passed); ok != c.ok || ok && rate != c.rate {
			t.Errorf("%+v: %d, %v", c, rate, ok)
		}
	}
}
