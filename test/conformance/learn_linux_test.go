package conformance

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/vtep/forward"
)

func isFrame(want []byte) func(lab.Packet) bool {
	return func(p lab.Packet) bool { return !p.Outgoing && bytes.Equal(p.Data, want) }
}

func TestL04PinnedMAC(t *testing.T) {
	for _, state := range []string{api.Permanent, api.Static} {
		t.Run(state, func(t *testing.T) {
			r := startRig(t, ipv4Underlay())
			r.floodTo(1)
			r.fdb("add", api.FDBEntry{MAC: farMAC, Dst: r.peers[1], State: state})
			r.refuses(forward.RxStaticMAC, r.packet(frameFrom(farMAC)))
			r.delivers(frameFrom(farMAC), from(r.peers[1]))
			if p := r.emit(frameTo(farMAC)); p.dst != r.peers[1] {
				t.Errorf("a frame to the pinned MAC went to %s, want %s", p.dst, r.peers[1])
			}
			all := must(r.client.FDB(t.Context(), api.FDBFilter{Dev: "vxlan0", MAC: farMAC}))(t)
			if len(all) != 1 || all[0].State != state || all[0].Dst != r.peers[1] {
				t.Errorf("the entry is now %+v", all)
			}
		})
	}
}

func TestL05DynamicMACMoves(t *testing.T) {
	r := startRig(t, ipv4Underlay())
	r.floodTo(1)
	for i, peer := range []int{0, 1, 0} {
		r.delivers(frameFrom(farMAC), from(r.peers[peer]))
		if p := r.emit(frameTo(farMAC)); p.dst != r.peers[peer] {
			t.Errorf("the answer went to %s, want %s", p.dst, r.peers[peer])
		}
		if n := r.stats().Moves; n != uint64(i) {
			t.Errorf("%d moves were counted, want %d", n, i)
		}
	}
}

// TestL05MovesAreLogged: a MAC that flaps is logged, but not at each flap.
func TestL05MovesAreLogged(t *testing.T) {
	const flaps = 200
	r := startRig(t, ipv4Underlay(), "moveguard off")
	r.floodTo(1)
	for i := range flaps + 1 {
		r.delivers(frameFrom(farMAC), from(r.peers[i%2]))
	}
	if n := r.stats().Moves; n != flaps {
		t.Errorf("%d moves were counted, want %d", n, flaps)
	}
	check(t, r.daemon.WaitStderr(farMAC, patience))
	if n := strings.Count(r.daemon.Stderr(), farMAC); n > flaps/10 {
		t.Errorf("%d moves made %d lines of log", flaps, n)
	}
}

// TestL06FullFDB: what one remote sends takes the places of its own addresses, not
// those of others nor of what was given; where nothing else is left, nothing is
// learned.
func TestL06FullFDB(t *testing.T) {
	const pinned, other = "02:00:00:00:00:30", "02:00:00:00:00:31"
	r := startRig(t, ipv4Underlay(), "maxaddress 4") // one is the marker's
	r.floodTo(1)
	r.fdb("add", api.FDBEntry{MAC: pinned, Dst: r.peers[0], State: api.Static})
	r.delivers(frameFrom(farMAC))
	r.delivers(frameFrom(farMAC2))
	r.delivers(frameFrom(farMAC3))
	r.emits(frameTo(farMAC3), 1)
	if s := r.stats(); s.Evicted == 0 || s.NotLearned != 0 {
		t.Errorf("%d entries were evicted and %d frames not learned, want some and none", s.Evicted, s.NotLearned)
	}
	r.delivers(frameFrom(other), from(r.peers[1]))
	if p := r.emit(frameTo(other)); p.dst != r.peers[1] {
		t.Errorf("another remote's address was not learned: a frame to it goes to %v", p.dst)
	}
	r.emits(frameTo(pinned), 1)
	check(t, r.daemon.WaitStderr("the remote that holds most gives places", patience))
	for n := range 2 {
		r.fdb("add", api.FDBEntry{MAC: fmt.Sprintf("02:00:00:00:01:%02x", n), Dst: r.peers[0], State: api.Static})
	}
	r.delivers(frameFrom(farMAC3))
	if e := r.entry(farMAC3); e.IsValid() {
		t.Errorf("%s was learned beyond the limit", farMAC3)
	}
	r.emits(frameTo(farMAC3), 2)
	if n := r.stats().NotLearned; n == 0 {
		t.Error("no frame was counted as not learned")
	}
	r.fdb("del", api.FDBEntry{MAC: pinned})
	r.delivers(frameFrom(farMAC3))
	r.emits(frameTo(farMAC3), 1)
}

func TestL07DefaultAgeing(t *testing.T) {
	r := startRig(t, ipv4Underlay())
	if a := must(r.client.Link(t.Context(), "vxlan0"))(t).Spec.Ageing; a == nil || *a != 300 {
		t.Errorf("the default ageing is %v, want 300 s", a)
	}
}

// TestL07Ageing waits for the scan, which runs every 10 s.
func TestL07Ageing(t *testing.T) {
	t.Parallel()
	const (
		userSame    = "02:00:00:00:00:20"
		userChanges = "02:00:00:00:00:21"
		extern      = "02:00:00:00:00:22"
		static      = "02:00:00:00:00:23"
	)
	r := startRig(t, ipv4Underlay(), "ageing 3")
	r.floodTo(1)
	r.fdb("add", api.FDBEntry{MAC: extern, Dst: r.peers[0], State: api.Dynamic, ExternLearn: true})
	r.fdb("add", api.FDBEntry{MAC: static, Dst: r.peers[0], State: api.Static})
	r.delivers(frameFrom(farMAC))
	entries := func() map[string]bool {
		macs := map[string]bool{}
		for _, e := range must(r.client.FDB(t.Context(), api.FDBFilter{Dev: "vxlan0"}))(t) {
			macs[e.MAC] = true
		}
		return macs
	}
	r.until("learn", func() bool { return entries()[farMAC] })
	start := time.Now()
	for n := 0; entries()[farMAC]; n++ {
		// At once after the look: what the scan takes in between would be put in anew.
		r.fdb("replace", api.FDBEntry{MAC: userSame, Dst: r.peers[0], State: api.Dynamic})
		r.fdb("replace", api.FDBEntry{MAC: userChanges, Dst: r.peers[n%2], State: api.Dynamic})
		if time.Since(start) > 25*time.Second {
			t.Fatalf("%s has not aged after %v", farMAC, time.Since(start))
		}
		r.inject(frameTo(farMAC)) // does not keep the entry alive
		r.delivers(frameFrom(farMAC2))
		// Paces the loop; what is tested is the order of events, not their time.
		_, _ = r.inner.WaitFor(func(lab.Packet) bool { return false }, 200*time.Millisecond)
	}
	if d := time.Since(start); d < 2*time.Second {
		t.Errorf("%s aged after %v, want 3 s", farMAC, d)
	}
	got := entries()
	for mac, want := range map[string]bool{
		farMAC: false, farMAC2: true, userSame: false, userChanges: true,
		extern: true, static: true, markerOut: true, allZeros: true,
	} {
		if got[mac] != want {
			t.Errorf("%s is there: %v, want %v", mac, got[mac], want)
		}
	}
}

// TestS03DefaultLimit sends more MACs than a link takes by default.
func TestS03DefaultLimit(t *testing.T) {
	const limit = 16384
	r := startRig(t, ipv4Underlay())
	r.floodTo(1)
	link := must(r.client.Link(t.Context(), "vxlan0"))(t)
	if link.Spec.MaxAddress == nil || *link.Spec.MaxAddress != api.NumberValue(limit) {
		t.Errorf("the default maxaddress is %v, want %d", link.Spec.MaxAddress, limit)
	}
	// One packet, of which only the inner source changes: without a checksum.
	data := r.packet(plain(broadcast, farMAC, 60), withSum(zeroSum))
	src := data[14+20+8+8+6:]
	const all, window = limit + 100, 1024
	for sent := 0; sent < all; {
		for range min(window, all-sent) {
			copy(src, []byte{2, 1, 0, byte(sent >> 16), byte(sent >> 8), byte(sent)})
			r.send(data)
			sent++
		}
		r.until(fmt.Sprintf("take %d packets", sent), func() bool { return r.stats().Rx.Packets == uint64(sent) })
	}
	macs := map[string]bool{}
	for _, e := range must(r.client.FDB(t.Context(), api.FDBFilter{Dev: "vxlan0"}))(t) {
		if e.MAC != allZeros {
			macs[e.MAC] = true
		}
	}
	if len(macs) != limit { // the marker's is one
		t.Errorf("the FDB holds %d MACs, want %d", len(macs), limit)
	}
	if s := r.stats(); s.Evicted < all-limit || s.NotLearned != 0 {
		t.Errorf("%d entries were evicted and %d frames not learned, want at least %d and none", s.Evicted, s.NotLearned, all-limit)
	}
	must(r.inner.Drain())(t)
	r.delivers(frameFrom(farMAC))
	r.emits(frameTo(farMAC), 1)
}
