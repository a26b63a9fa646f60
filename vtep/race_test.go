package vtep_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// traffic sends both ways over a link until stop is closed.
func traffic(n *node, dev *vteptest.Device, vni encap.VNI, stop <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		mac := encap.MAC{2, 0, 0, 0, 9, byte(i)}
		dev.Inject(frame(bcast, macA, "x"))
		dev.Inject(frame(mac, macA, "x"))
		n.hear(addrB, pack(vni, frame(macA, mac, "x")))
		n.hear(addrC, pack(vni, frame(macA, mac, "x")))
		drain(dev.Output())
		runtime.Gosched()
	}
}

// TestControlUnderTraffic changes everything that can be changed while frames
// flow; the race detector and the steady link look on.
func TestControlUnderTraffic(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		n := newNode(t, net, addrA)
		steady := n.addUp(t, vtep.LinkConfig{Name: "steady", VNI: 1, Remote: addrB, NoLoopGuard: true})
		base := vtep.LinkConfig{Name: "busy", VNI: 2, Remote: addrB, Accept: vtep.Accept{Mode: vtep.AcceptAny}}
		busy := n.addUp(t, base)
		stop := make(chan struct{})
		var frames, control sync.WaitGroup
		for _, l := range []struct {
			dev *vteptest.Device
			vni encap.VNI
		}{{steady, 1}, {busy, 2}} {
			frames.Go(func() { traffic(n, l.dev, l.vni, stop) })
		}
		const rounds = 30
		control.Go(func() {
			for range rounds {
				for name, edit := range edits {
					must(t, n.UpdateLink("busy", func(c *vtep.LinkConfig) error { *c = base; edit(c); return nil }))
					if name == "group" {
						must(t, n.SetLinkUp("busy", false))
						must(t, n.SetLinkUp("busy", true))
					}
				}
			}
		})
		control.Go(func() {
			for i := range rounds * 20 {
				mac := encap.MAC{2, 0, 0, 0, 9, byte(i)}
				e := vtep.FDBEntry{Link: "busy", MAC: mac, Remote: vtep.Remote{Addr: netip.AddrFrom4([4]byte{198, 18, 0, byte(i)})}, State: fdb.State(i % 3)}
				if err := n.FDBReplace(e); err != nil && !errors.Is(err, vtep.ErrFull) { // a maxaddress of 7 at times
					t.Error(err)
				}
				e.MAC = encap.MAC{}
				_ = n.FDBAppend(e) // the loop comes round to what is there
				if i%7 == 0 {
					_, err := n.FDBFlush("busy", vtep.FDBFilter{States: []fdb.State{fdb.Dynamic}})
					must(t, err)
				}
				_ = n.FDBDel("busy", encap.MAC{}, &e.Remote) // dstport may have changed meanwhile
				_, err := n.FDB(vtep.FDBFilter{})
				must(t, err)
				n.Links()
				n.Stats()
			}
		})
		control.Go(func() {
			for i := range rounds * 3 {
				c := vtep.LinkConfig{Name: "brief", VNI: 3, Remote: addrB, SrcPortMin: 1000, SrcPortMax: 1000 + uint16(i)}
				must(t, n.AddLink(c))
				must(t, n.SetLinkUp("brief", true))
				d := n.host.Device("brief")
				d.Inject(frame(bcast, macA, "x"))
				if i%2 == 0 {
					d.Delete()
					_ = n.DelLink("brief") // whoever is first
				} else {
					must(t, n.DelLink("brief"))
				}
			}
		})
		control.Wait()
		close(stop)
		frames.Wait()
		s := n.stats(t, "steady")
		for r := range s.Drops {
			// addrC is no peer; the test drains the output when it can, and fills the queue.
			if r != forward.RxNotPeer && r != forward.RxPort && r != forward.TxPortOverflow {
				t.Errorf("the steady link dropped %v", s.Drops)
			}
		}
		if s.TxPackets == 0 || s.RxPackets == 0 {
			t.Errorf("no traffic on the steady link: %+v", s)
		}
	})
}

// TestNothingLeft: 1,000 times a link comes, carries frames and goes; no
// goroutine and no socket stays.
func TestNothingLeft(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		h := net.Host(addrA)
		v := vtep.New(vtep.Config{Host: h, Log: slog.New(slog.DiscardHandler), Workers: 2})
		n := &node{VTEP: v, host: h, net: net, addr: addrA}
		synctest.Wait()
		before := runtime.NumGoroutine()
		for i := range 1000 {
			c := vtep.LinkConfig{Name: fmt.Sprint("vxlan", i), VNI: encap.VNI(i), Remote: addrB, Queues: 1 + i%3, DF: vtep.DF(i % 3)}
			if i%5 == 0 {
				c.Remote, c.Group, c.Dev = netip.Addr{}, group, "eth0"
			}
			d := n.addUp(t, c)
			d.Inject(frame(bcast, macA, "x"))
			n.hear(addrB, pack(c.VNI, frame(macA, macB, "x")))
			if s := n.stats(t, c.Name); s.TxPackets != 1 || s.RxPackets != 1 {
				t.Fatalf("link %d: %+v", i, s)
			}
			must(t, n.DelLink(c.Name))
		}
		synctest.Wait()
		if after := runtime.NumGoroutine(); after > before {
			t.Errorf("%d goroutines before, %d after", before, after)
		}
		n.empty(t, "after 1,000 links")
		for i := range 100 {
			n.addUp(t, vtep.LinkConfig{Name: fmt.Sprint("vxlan", i), VNI: encap.VNI(i), Remote: addrB})
		}
		must(t, v.Close())
		synctest.Wait() // Close waits for the end of their work
		if after := runtime.NumGoroutine(); after > before {
			t.Errorf("%d goroutines before, %d after Close", before, after)
		}
		n.empty(t, "after Close")
	})
}

// TestCloseUnderTraffic: Run ends in the middle of everything.
func TestCloseUnderTraffic(t *testing.T) {
	for range 20 {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			h := net.Host(addrA)
			v := vtep.New(vtep.Config{Host: h, Log: slog.New(slog.DiscardHandler), Workers: 2})
			n := &node{VTEP: v, host: h, net: net, addr: addrA}
			d := n.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB})
			stop := make(chan struct{})
			var users sync.WaitGroup
			users.Go(func() { traffic(n, d, 42, stop) })
			users.Go(func() {
				for i := 0; ; i++ {
					c := vtep.LinkConfig{Name: fmt.Sprint("l", i), VNI: encap.VNI(i), Remote: addrB}
					if err := v.AddLink(c); errors.Is(err, vtep.ErrClosed) {
						return
					}
					_ = v.SetLinkUp(c.Name, true)
					_ = v.UpdateLink("vxlan0", func(c *vtep.LinkConfig) error { c.DstPort = uint16(5000 + i%2); return nil })
				}
			})
			for range 200 {
				runtime.Gosched()
			}
			must(t, v.Close())
			close(stop)
			users.Wait()
			n.empty(t, "after Close")
		})
	}
}
