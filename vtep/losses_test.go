package vtep_test

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// TestLosses: what a port or a socket lost before anybody read it appears among the
// drops of the link, of the trunk port, of nobody, and is told by the monitor.
func TestLosses(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newTrunk(t, net)
		r.link = "vxlan0"
		dev := r.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB})
		sub, err := r.Subscribe(vtep.DropEvents)
		must(t, err)
		defer sub.Close()
		time.Sleep(1500 * time.Millisecond)
		dev.Lose(3, 2)
		r.dev.Lose(5, 1)
		r.host.Lose(7, 4)
		dev.Inject(frame(macB, macA, "x")) // nobody looks at an idle port
		time.Sleep(time.Second)
		link := map[forward.DropReason]uint64{forward.TxPortOverflow: 3, forward.TxUnreadable: 2}
		trunk := map[forward.DropReason]uint64{forward.TxPortOverflow: 5, forward.TxUnreadable: 1}
		sockets := map[forward.DropReason]uint64{forward.RxSocketOverflow: 7, forward.RxUnreadable: 4}
		told := map[string]map[forward.DropReason]uint64{"vxlan0": {}, "": {}}
		events, _, err := sub.Read(t.Context(), nil)
		must(t, err)
		for _, e := range events {
			told[e.Entry.Link][e.Drop] += e.Count
		}
		all := map[forward.DropReason]uint64{forward.TxPortOverflow: 5, forward.TxUnreadable: 1, forward.RxSocketOverflow: 7, forward.RxUnreadable: 4}
		checkDrops(t, r.stats(t, "vxlan0"), link)
		checkDrops(t, r.Stats(), all)
		for what, got := range map[string]struct{ got, want map[forward.DropReason]uint64 }{
			"the trunk port": {r.Trunks()[0].Drops, trunk}, "the sockets": {r.Links()[2].Shared, sockets},
			"the monitor, of the link": {told["vxlan0"], link}, "the monitor, of no link": {told[""], all},
		} {
			if !maps.Equal(got.got, got.want) {
				t.Errorf("%s: %v, want %v", what, got.got, got.want)
			}
		}
		// An idle port is looked at where somebody asks for it, and now and then.
		dev.Lose(1, 0)
		r.drops(map[forward.DropReason]uint64{forward.TxPortOverflow: 4, forward.TxUnreadable: 2})
		dev.Lose(1, 0)
		time.Sleep(11 * time.Second)
		if links := r.Links(); links[2].Stats.Drops[forward.TxPortOverflow] != 5 {
			t.Errorf("after a sweep %v", links[2].Stats.Drops)
		}
		// What a socket lost is not forgotten with it.
		r.host.Lose(1, 0)
		for _, name := range []string{"v10", "v20", "vxlan0"} {
			must(t, r.DelLink(name))
		}
		if n := r.Stats().Drops[forward.RxSocketOverflow]; n != 8 {
			t.Errorf("after the last link went, %d overflows, want 8", n)
		}
	})
}

// TestNothingVanishes: of random frames and packets each is sent, delivered or
// answered, or is counted as dropped, once.
func TestNothingVanishes(t *testing.T) {
	for _, limits := range []bool{false, true} {
		seed := rand.Uint64()
		t.Logf("limits %v: seed %d", limits, seed)
		rnd := rand.New(rand.NewPCG(seed, 0))
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			r := newRig(t, net, func(c *vtep.LinkConfig) {
				c.InnerVLAN, c.Reserved = vtep.InnerVLANDrop, vtep.ReservedPolicy(rnd.Uint64())
				c.Proxy, c.L3Miss, c.MaxAddresses = true, true, 20
				if limits {
					c.BUMLimit, c.PeerBUMLimit = 20, 10
				}
			})
			r.dev.SetNeighbours(tap.Neighbour{IP: addrC, MAC: macC})
			must(t, r.FDBAdd(vtep.FDBEntry{Link: r.link, MAC: macC, Remote: vtep.Remote{Addr: addrB}, State: fdb.Static}))
			must(t, r.FDBAdd(vtep.FDBEntry{Link: r.link, MAC: encap.MAC{2, 7}, State: fdb.Permanent}))
			var in, out uint64
			for range 200 {
				for range rnd.IntN(100) {
					f := randomFrame(rnd)
					if r.dev.Inject(f) {
						in++
					}
				}
				for range rnd.IntN(100) {
					p := pack(42, randomFrame(rnd))
					for range rnd.IntN(3) {
						p[rnd.IntN(8)] ^= 1 << rnd.IntN(8)
					}
					from := []netip.Addr{addrB, addrB, addrC}[rnd.IntN(3)]
					r.hearTOS(from, uint8(rnd.IntN(4)), p[:len(p)-rnd.IntN(2)*rnd.IntN(len(p))])
					out++
				}
				r.sent()
				r.got()
				if rnd.IntN(20) == 0 {
					time.Sleep(time.Second)
				}
			}
			s, nobody := r.stats(t, r.link), r.Stats()
			sent, delivered := s.TxPackets+s.Answered, s.RxPackets
			for _, drops := range []map[forward.DropReason]uint64{s.Drops, nobody.Drops} {
				for reason, n := range drops {
					if strings.HasPrefix(reason.String(), "tx-") {
						sent += n
					} else {
						delivered += n
					}
				}
			}
			if sent != in || delivered != out {
				t.Errorf("%d of %d frames and %d of %d packets are accounted for", sent, in, delivered, out)
			}
			if len(s.Drops)+len(nobody.Drops) < 12 {
				t.Errorf("only %v and %v were counted: this tests little", s.Drops, nobody.Drops)
			}
		})
	}
}

// randomFrame is a frame of which a part is as it should be.
func randomFrame(rnd *rand.Rand) encap.Frame {
	macs := []encap.MAC{macA, macB, macC, bcast, {}, {2, 7}, {2, 0, 0, 0, 1, byte(rnd.IntN(40))}}
	f := frame(macs[rnd.IntN(len(macs))], macs[rnd.IntN(len(macs))], "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")
	switch rnd.IntN(8) {
	case 0:
		f.Data = f.Data[:rnd.IntN(len(f.Data))]
	case 1:
		f = tagged(uint16(rnd.IntN(1<<16)), f)
	case 2:
		f.Offload = encap.Offload{Csum: encap.CsumPartial, CsumStart: uint16(rnd.IntN(80)), CsumOffset: uint16(rnd.IntN(20))}
	case 3:
		f = arpRequest(addrA, []netip.Addr{addrC, addrB}[rnd.IntN(2)])
	case 4:
		f.Data = append(f.Data[:12], 8, 0, 0x45, byte(rnd.IntN(256)), 0, 40, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0, 1, 0, 2, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	return f
}
