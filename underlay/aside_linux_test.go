package underlay

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// TestAsideHasItsOwnSocket: packets of a rule that is set aside come to the further socket and no others do, of IPv4 and
// IPv6, beside one socket and beside three, which share the rest as flows.
func TestAsideHasItsOwnSocket(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		for _, workers := range []int{1, 3} {
			a, b := newFastWire(t)
			f := newFilter(t)
			g := b.gate(t, f, v6)
			storm, calm := f.Rule(), f.Rule()
			g.SetVNI(42, storm)
			g.SetVNI(43, calm)
			rx := b.listen(t, ReceiverConfig{Local: b.addr(v6), V6: v6, Port: port, Filter: g, Workers: workers})
			wild := b.listen(t, ReceiverConfig{V6: v6, Port: port, Beside: []*Receiver{rx}})
			b.do(t, func() error { return rx.OpenAside([]*Receiver{wild}) })
			flows := a.sockets(t, netip.AddrPortFrom(b.addr(v6), port), slices.Repeat([]netip.Addr{a.addr(v6)}, 24)...)
			round := func(aside bool) (at map[string]int) {
				t.Helper()
				if err := storm.Aside(aside); err != nil {
					t.Fatal(err)
				}
				for i, c := range flows {
					for n := range 3 {
						sendTrain(t, c, [][]byte{crafted{vni: 42, size: 60 + i}.bytes(0), crafted{vni: 42, size: 60 + i}.bytes(1)})
						sendTrain(t, c, [][]byte{crafted{vni: 43, size: 160 + i}.bytes(byte(n))})
					}
				}
				if _, err := flows[0].Write([]byte("short")); err != nil { // dropped by the gate, wherever it goes
					t.Fatal(err)
				}
				return where(t, rx, len(flows)*3*3)
			}
			for range 2 {
				at := round(true)
				used := map[int]int{}
				for what, w := range at {
					if stormed := len(what) < 160; stormed != (w == workers) {
						t.Errorf("%d workers: a packet of %d bytes came to socket %d", workers, len(what), w)
					} else if !stormed {
						used[w]++
					}
				}
				if len(used) != workers {
					t.Errorf("of %d workers %v were used", workers, used)
				}
			}
			for what, w := range round(false) {
				if w == workers {
					t.Errorf("%d workers: a packet of %d bytes came to the socket for those set aside", workers, len(what))
				}
			}
			if n, m := storm.Messages(), calm.Messages(); n != uint64(len(flows)*9) || m != n {
				t.Errorf("%d and %d messages counted, of %d each", n, m, len(flows)*9)
			}
			if err := rx.Drain(); err != nil {
				t.Fatal(err)
			}
			d := make([]encap.Datagram, 8)
			for w := range workers + 1 {
				if _, err := rx.ReadBatch(w, d); err == nil {
					t.Errorf("socket %d of a drained receiver has more", w)
				}
			}
		}
	})
}

// where reads n datagrams from all sockets of r and returns by which one each came, which has to be the same for all of
// a size.
func where(t *testing.T, r *Receiver, n int) map[string]int {
	t.Helper()
	at := map[string]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for w := range r.Workers() + 1 {
		rd := r.reader(w)
		all.Go(func() {
			for {
				rd.want, rd.got, rd.errno = 64, 0, 0
				done := true
				err := rd.raw.Control(func(fd uintptr) { done = !rd.recvmmsg(fd) })
				if err != nil || done {
					return
				}
				d := make([]encap.Datagram, 64)
				k := rd.block.datagrams(d, rd.got)
				rd.block.rearm(rd.got)
				mu.Lock()
				for _, d := range d[:k] {
					size := max(int(d.SegSize), 1)
					if d.SegSize == 0 {
						size = len(d.Payload)
					}
					for part := range slices.Chunk(d.Payload, size) {
						n--
						key := string(make([]byte, len(part)))
						if was, ok := at[key]; ok && was != w {
							t.Errorf("a flow of %d bytes came to socket %d and to %d", len(part), was, w)
						}
						at[key] = w
					}
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if n != 0 {
		t.Errorf("%d datagrams are missing", n)
	}
	return at
}

// TestAsideNeedsAGate: without one, and of a group, there is none.
func TestAsideNeedsAGate(t *testing.T) {
	_, b := newWire(t)
	rx := b.listen(t, ReceiverConfig{Port: port})
	if err := rx.OpenAside(nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without a gate: %v", err)
	}
	f := newFilter(t)
	group := b.listen(t, ReceiverConfig{Port: port + 1, Group: netip.MustParseAddr("233.252.0.1"), Interface: b.index, Filter: b.gate(t, f, false)})
	if err := group.OpenAside(nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("of a group: %v", err)
	}
}
