package forward

import (
	"bytes"
	"sync"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// TestSeeingWhileForwarding: captures come, are read and go, and frames are rehearsed, while
// workers forward; all frames arrive.
func TestSeeingWhileForwarding(t *testing.T) {
	const rounds = 300
	s := newSetting(t, &scene{})
	s.state(func(st *State) {
		st.Port, st.TX, st.MoveGuard = sinkPort{}, [2]Transmitter{sinkTX{}, sinkTX{}}, true
	})
	plain := *s.link.State.Load()
	var work, look sync.WaitGroup
	done := make(chan struct{})
	work.Go(func() {
		w := NewPortWorker(s.link, 0)
		for range rounds {
			w.Forward([]encap.Frame{{Data: bytes.Clone(usual)}, {Data: bytes.Clone(flooded)}}, 1)
		}
	})
	work.Go(func() {
		w := NewNetWorker(s.ep, 0)
		for i := range rounds {
			d := *from([]encap.Addr{peerA, peerB}[i%2], 42, ipFrame(here, encap.MAC{2, 5}, 100))
			w.Forward([]encap.Datagram{d}, 1)
		}
	})
	look.Go(func() {
		c, batch := NewCapture(s.plane, CaptureFilter{}, 64, 1<<14)
		all := []*Capture{c}
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			next := plain
			if i%2 == 0 {
				next.Captures = all
				s.plane.Captures.Store(&all)
			} else {
				s.plane.Captures.Store(nil)
			}
			s.link.State.Store(&next)
			c.Read(batch)
			for j := range batch.Records {
				if len(batch.Records[j].Frame.Data) != 100 {
					t.Errorf("%+v", batch.Records[j])
				}
			}
		}
	})
	look.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			s.link.Rehearse(encap.Frame{Data: flooded}, s.net)
			s.ep.Rehearse(from(peerB, 42, ipFrame(here, encap.MAC{2, 5}, 100)), s.net)
		}
	})
	work.Wait()
	close(done)
	look.Wait()
	st := Sum(s.link.Shards)
	// flooded frames beyond the loop guard's limit are dropped, with or without a capture
	if sent := st.TxPackets + st.Drops[TxFloodLoop]; sent != 2*rounds {
		t.Errorf("%d frames left or were dropped, want %d: %+v", sent, 2*rounds, st)
	}
	if got := st.RxPackets + st.RxDropped; got != rounds {
		t.Errorf("%d packets arrived or were dropped, want %d: %+v", got, rounds, st)
	}
}
