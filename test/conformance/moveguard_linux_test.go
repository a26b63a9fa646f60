package conformance

import (
	"bytes"
	"context"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/vtep/forward"
)

func TestS06MoveGuard(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f, "accept any")
		events := r.listens(api.ObjectFDB)
		for n := range 7 { // it is learned and moves 6 times: once too often
			r.delivers(frameFrom(farMAC), from(r.peers[n%2]))
		}
		if e := r.entry(farMAC); e != r.peers[0] {
			t.Fatalf("%s is behind %v, want %s", farMAC, e, r.peers[0])
		}
		r.refuses(forward.RxMoveGuard, r.packet(frameFrom(farMAC), from(r.peers[1])))
		if e := r.entry(farMAC); e != r.peers[0] {
			t.Errorf("%s moved on to %v", farMAC, e)
		}
		r.delivers(frameFrom(farMAC), from(r.peers[0])) // where it is held
		r.delivers(frameFrom(farMAC2), from(r.peers[1]))
		r.delivers(frameFrom(farMAC2), from(r.peers[0])) // others move
		check(t, r.daemon.WaitStderr("moved too often", patience))
		if e := r.hears(events, api.EventHold); e.FDB.MAC != farMAC || e.FDB.Dst != r.peers[0] || e.FDB.Dev != "vxlan0" {
			t.Errorf("told of %+v, want %s behind %s", e.FDB, farMAC, r.peers[0])
		}

		if _, stderr, err := r.uvtepCLI("link", "set", "vxlan0", "type", "vxlan", "moveguard", "off"); err != nil {
			t.Fatalf("link set moveguard off: %v: %s", err, stderr)
		}
		r.until("let go", func() bool {
			r.send(r.packet(frameFrom(farMAC), from(r.peers[1])))
			return r.entry(farMAC) == r.peers[1]
		})
		if e := r.hears(events, api.EventRelease); e.FDB.MAC != farMAC {
			t.Errorf("told of %+v, want %s", e.FDB, farMAC)
		}
		before := r.stats().Moves
		r.until("move freely", func() bool {
			r.send(r.packet(frameFrom(farMAC), from(r.peers[0])))
			r.send(r.packet(frameFrom(farMAC), from(r.peers[1])))
			return r.stats().Moves > before+20
		})
	})
}

// listens begins to hear of objects.
func (r *rig) listens(what string) *client.Monitor {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 6*patience)
	r.Cleanup(cancel)
	return must(r.client.Monitor(ctx, what))(r.T)
}

// hears waits for an event.
func (r *rig) hears(m *client.Monitor, event string) api.Event {
	r.Helper()
	for {
		if e := must(m.Next())(r.T); e.Event == event {
			return e
		}
	}
}

func TestS06BUMLimit(t *testing.T) {
	r := startRig(t, ipv4Underlay(), "bumlimit 10")
	r.floodTo(1) // copies do not count
	sent := 0
	r.until("refuse what is flooded beyond the limit", func() bool {
		for range 30 {
			r.inject(frameTo(broadcast))
			r.inject(frameTo(farMAC)) // unknown
			r.inject(frameTo(groupMAC))
			sent += 3
		}
		return r.drops(forward.TxBUMLimit) > 0
	})
	r.until("account for each frame", func() bool {
		s := r.stats()
		return int(s.Tx.Packets)/2+int(s.Drops[forward.TxBUMLimit.String()]) == sent
	})
	if n := r.stats().Tx.Packets; n > 2*30 { // of three seconds at most
		t.Errorf("%d packets left, the limit being 10 frames a second to 2 remotes", n)
	}
	before := r.stats().Tx.Packets // what is known is not limited
	for range 50 {
		r.inject(frameTo(markerOut))
	}
	r.until("send what is not flooded", func() bool { return r.stats().Tx.Packets == before+50 })
}

// TestS06PeerBUMLimit: copies to one remote are limited, whatever the others get.
func TestS06PeerBUMLimit(t *testing.T) {
	r := startRig(t, ipv4Underlay(), "peerbumlimit 10")
	r.fdb("append", api.FDBEntry{MAC: groupMAC, Dst: r.peers[1]})
	sent := 0
	r.until("refuse copies beyond the limit", func() bool {
		for range 15 {
			r.inject(frameTo(broadcast))
			r.inject(frameTo(farMAC)) // unknown
			sent += 2
		}
		return r.drops(forward.TxPeerBUMLimit) > 0
	})
	before := r.stats().Tx.Packets
	r.inject(frameTo(groupMAC)) // to the other
	r.inject(frameTo(markerOut))
	r.until("send to another, and what is not flooded", func() bool { return r.stats().Tx.Packets >= before+2 })
	r.until("account for each frame", func() bool {
		s := r.stats()
		return int(s.Tx.Packets)+int(s.Drops[forward.TxPeerBUMLimit.String()]) == sent+2
	})
}

// TestS06PeerBUMLimitFrom: what one remote floods is limited, not what the
// others do, nor what it sends to one host.
func TestS06PeerBUMLimitFrom(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f, "peerbumlimit 10")
		r.floodTo(1)
		sent := 0
		r.until("refuse what one remote floods", func() bool {
			for range 30 {
				r.send(r.packet(frameFrom(farMAC)))
				sent++
			}
			return r.drops(forward.RxPeerBUMLimit) > 0
		})
		r.until("account for each frame", func() bool {
			s := r.stats()
			return int(s.Rx.Packets)+int(s.Drops[forward.RxPeerBUMLimit.String()]) == sent
		})
		unicast := frameTo(hostMAC, func(f *inner) { f.src = farMAC })
		other := frameFrom(farMAC2)
		r.send(r.packet(unicast))
		r.send(r.packet(other, from(r.peers[1])))
		for _, want := range [][]byte{unicast, other} {
			if _, err := r.inner.WaitFor(func(p lab.Packet) bool { return !p.Outgoing && bytes.Equal(p.Data, want) }, patience); err != nil {
				t.Errorf("the host was not handed %s: %v", describe(want), err)
			}
		}
		if _, stderr, err := r.uvtepCLI("link", "set", "vxlan0", "type", "vxlan", "peerbumlimit", "0"); err != nil {
			t.Fatalf("link set peerbumlimit 0: %v: %s", err, stderr)
		}
		s := r.stats()
		for range 50 {
			r.send(r.packet(frameFrom(farMAC)))
		}
		r.until("take all", func() bool { return r.stats().Rx.Packets == s.Rx.Packets+50 })
	})
}

// TestS06LoopGuard: a frame that is flooded again and again, as one that goes round a
// loop is, is found and told of within a second or so; others pass meanwhile.
func TestS06LoopGuard(t *testing.T) {
	r := startRig(t, ipv4Underlay())
	same := frameTo(broadcast)
	sent := 0
	r.until("refuse the copies of a frame", func() bool {
		for range 1000 {
			r.inject(same)
			sent++
		}
		return r.drops(forward.TxFloodLoop) > 0
	})
	r.inject(frameTo(farMAC)) // unknown, and another
	sent++
	r.until("account for each frame", func() bool {
		s := r.stats()
		return int(s.Tx.Packets)+int(s.Drops[forward.TxFloodLoop.String()]) == sent
	})
	check(t, r.daemon.WaitStderr("frames go round a loop", patience))
	if _, stderr, err := r.uvtepCLI("link", "set", "vxlan0", "type", "vxlan", "loopguard", "off"); err != nil {
		t.Fatalf("link set loopguard off: %v: %s", err, stderr)
	}
	before := r.stats().Tx.Packets
	for range 500 {
		r.inject(same)
	}
	r.until("flood all", func() bool { return r.stats().Tx.Packets == before+500 })
}
