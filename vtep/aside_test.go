package vtep

import (
	"slices"
	"testing"
	"time"
)

// StormAt has v take fewer messages for a storm, on a machine that is busy.
func (v *VTEP) StormAt(least uint64) { v.stormAt = least }

// TestStorms: a storm is who has more than all that are none, if it is enough to be in the way of somebody.
func TestStorms(t *testing.T) {
	const k = 1000
	for _, c := range []struct {
		name  string
		rates []uint64
		want  int    // the first so many, in order of rate
		lost  uint64 // of 100 datagrams of the socket
	}{
		{"nobody", nil, 0, 0},
		{"the others send little because of it", []uint64{500 * k, 1}, 1, 1},
		{"none of the others sends", []uint64{500 * k, 0}, 0, 24},
		{"none of the others sends, and who does heeds no loss", []uint64{500 * k, 0}, 1, 25},
		{"there are no others", []uint64{500 * k}, 0, 80},
		{"one link alone is in nobody's way", []uint64{500 * k}, 0, 0},
		{"nor where the others hardly send", []uint64{500 * k, 99}, 0, 0},
		{"a storm beside a stream of superframes", []uint64{250 * k, 8 * k}, 1, 0},
		{"a storm beside a few packets", []uint64{250 * k, 100}, 1, 0},
		{"little is no storm", []uint64{19 * k, 1 * k}, 0, 0},
		{"two alike", []uint64{100 * k, 100 * k}, 0, 0},
		{"two alike in a third one's way", []uint64{100 * k, 100 * k, 1 * k}, 0, 0},
		{"a storm beside many that together have more", []uint64{100 * k, 40 * k, 40 * k, 40 * k}, 0, 0},
		{"a storm behind a storm", []uint64{250 * k, 60 * k, 5 * k}, 2, 0},
		{"a storm and an ordinary second", []uint64{250 * k, 60 * k, 50 * k, 20 * k}, 1, 0},
	} {
		var list []stormed
		for i, r := range c.rates {
			list = append(list, stormed{&link{cfg: LinkConfig{VLAN: uint16(i)}}, r})
		}
		slices.Reverse(list)
		got := storms(list, stormMessages, othersFor(100-c.lost, c.lost))
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
	begin := time.Now()
	at := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	for _, c := range []struct {
		n    uint64
		now  time.Time
		ms   int
		rate uint64
		ok   bool
	}{
		{5_000_000, at(1_000_000), 1000, 0, false}, // in a thousand seconds
		{5_000_300, at(1_001_000), 1000, 300, true},
		{5_000_900, at(1_004_000), 3000, 200, true},
		{5_001_000, at(1_004_100), 100, 1000, true},
		{9_000_000, at(2_000_000), 1000, 0, false}, // idle looks between
		{9_000_100, at(2_001_000), 1000, 100, true},
	} {
		if rate, ok := a.rate(c.n, c.now, time.Duration(c.ms)*time.Millisecond); ok != c.ok || ok && rate != c.rate {
			t.Errorf("%+v: %d, %v", c, rate, ok)
		}
	}
}

// TestStormAmongOthers: a link that was set aside is in nobody's way, so that whoever has more than it is no storm by that.
func TestStormAmongOthers(t *testing.T) {
	storm, victim := &link{}, &link{}
	storm.aside.is = true
	if got := storms([]stormed{{storm, 200_000}, {victim, 300_000}}, stormMessages, othersMessages); len(got) > 0 {
		t.Errorf("%d storms beside one that is set aside", len(got))
	}
}

// TestOnlyOneHears: a link that is set aside leaves the processors to others only while another link hears something. Its
// sender may have filled the socket's queue alone; it got a tenth of what it has without this.
func TestOnlyOneHears(t *testing.T) {
	aside, other, quiet := &link{}, &link{}, &link{}
	aside.aside.is = true
	if list := []stormed{{aside, 200_000}, {quiet, 0}}; others(list) {
		t.Error("nobody else hears, and others are in the way")
	}
	if list := []stormed{{aside, 200_000}, {quiet, 0}, {other, 1}}; !others(list) {
		t.Error("another link hears, and nobody is in the way")
	}
}
