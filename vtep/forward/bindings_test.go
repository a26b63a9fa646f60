package forward

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// TestBindings: who said it last has the address, as long as it may be told.
func TestBindings(t *testing.T) {
	a, b := encap.MAC{2, 1}, encap.MAC{2, 2}
	v4, v6 := ip("198.51.100.2"), ip("2001:db8:2::2")
	t.Run("life", func(t *testing.T) {
		tb := newBindings(nil)
		is := func(what string, addr encap.Addr, mac encap.MAC, tell, known bool) {
			t.Helper()
			got, told, ok := tb.find(addr, 100)
			if ok != known || told != (tell && known) && known || known && got.mac != mac {
				t.Errorf("%s: %+v, told %v, known %v", what, got, told, ok)
			}
		}
		tb.learn(&encap.Claim{IP: v4, MAC: a}, fdb.Nobody, 0, 1)
		is("of this side", v4, a, false, false)
		tb.learn(&encap.Claim{IP: v6, MAC: a, Asks: true}, 1, 0, 1)
		is("of a solicitation", v6, a, false, false)
		tb.learn(&encap.Claim{IP: v6, MAC: a, Router: true}, 1, 0, 2)
		tb.learn(&encap.Claim{IP: v6, MAC: a, Asks: true}, 1, 0, 3)
		is("advertised", v6, a, true, true)
		if got, _, _ := tb.find(v6, 3); !got.router || got.heard != 3 {
			t.Errorf("a solicitation made %+v of a router", got)
		}
		tb.learn(&encap.Claim{IP: v6, MAC: b, Asks: true}, 1, 0, 4)
		is("asked by another", v6, b, false, true)
		tb.learn(&encap.Claim{IP: v6, MAC: b}, 1, 0, 5)
		is("advertised by another", v6, b, true, true)
		tb.learn(&encap.Claim{IP: v6, MAC: b}, fdb.Nobody, 0, 6)
		is("here", v6, b, false, true)
		tb.learn(&encap.Claim{IP: v6, MAC: b}, 1, 0, 7)
		is("there again", v6, b, true, true)
		tb.age(10, 0)
		tb.age(10, 4)
		is("young", v6, b, true, true)
		tb.age(11, 4)
		is("old", v6, b, true, false)
		if n := tb.len(); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
	t.Run("limit", func(t *testing.T) {
		tb := newBindings(nil)
		for n := range byte(20) {
			tb.learn(&encap.Claim{IP: encap.AddrFrom(netip.AddrFrom4([4]byte{198, 51, 100, n})), MAC: a}, 1, 7, 1)
		}
		if tb.len() != 7 {
			t.Errorf("%d addresses, the limit being 7", tb.len())
		}
		tb.learn(&encap.Claim{IP: ip("198.51.100.3"), MAC: b}, 1, 7, 1)
		if got, tell, ok := tb.find(ip("198.51.100.3"), 1); !ok || !tell || got.mac != b {
			t.Errorf("at the limit a move made %+v", got)
		}
		if tb.clear(); tb.len() != 0 {
			t.Error("not cleared")
		}
	})
	t.Run("contested", func(t *testing.T) {
		tb := newBindings(nil)
		for n := range fdb.Tick(MaxMoves + 2) { // the first is no move
			_, tell, _ := tb.find(v4, 10+n)
			if n > 0 && !tell {
				t.Errorf("not told of after %d moves", n-1)
			}
			tb.learn(&encap.Claim{IP: v4, MAC: [2]encap.MAC{a, b}[n%2]}, 1, 0, 10+n)
		}
		if _, tell, ok := tb.find(v4, 20); tell || !ok {
			t.Error("told of an address that two hosts fight for")
		}
		if _, tell, _ := tb.find(v4, 10+GuardWindow); !tell {
			t.Error("not told of when they have stopped")
		}
		tb.learn(&encap.Claim{IP: v4, MAC: a}, 1, 0, 11+GuardWindow)
		tb.learn(&encap.Claim{IP: v4, MAC: b}, 1, 0, 12+GuardWindow)
		if _, tell, _ := tb.find(v4, 13+GuardWindow); !tell {
			t.Error("the count did not begin anew")
		}
	})
}

// TestHearsOnlyTheVTEP: a binding is taken from the VTEP alone that the FDB has
// the MAC behind, not against the neighbour table, and answered while the FDB
// has it.
func TestHearsOnlyTheVTEP(t *testing.T) {
	l := newTestLink(NewPlane(1), Tables{})
	l.LearnNeighbours(true, nil)
	there, from, other := encap.MAC{2, 9}, netip.MustParseAddr("192.0.2.2"), ip("192.0.2.3")
	target := ip("198.51.100.2")
	f := encap.Frame{Data: append(bytes.Repeat([]byte{0xff}, 6), there[:]...)}
	f.Data = append(f.Data, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2)
	f.Data = append(append(f.Data, there[:]...), 198, 51, 100, 2, 2, 1, 0, 0, 0, 0, 198, 51, 100, 1)
	in := encap.ParseInner(f.Data)
	s := l.State.Load()
	known := func() bool {
		_, _, ok := l.bindings.Load().find(target, 1)
		return ok
	}
	l.learnFromRemote(s, f.Data, &in, encap.AddrFrom(from), 1)
	if known() {
		t.Error("learned of a MAC that the FDB does not have")
	}
	add(t, l, there, encap.AddrFrom(from), fdb.Permanent)
	l.learnFromRemote(s, f.Data, &in, other, 1)
	if known() {
		t.Error("learned from another VTEP")
	}
	l.SetNeighbours(Neighbours{target: {2, 7}})
	l.learnFromRemote(s, f.Data, &in, encap.AddrFrom(from), 1)
	if known() {
		t.Error("learned beside the neighbour table")
	}
	l.SetNeighbours(Neighbours{})
	l.learnFromRemote(s, f.Data, &in, encap.AddrFrom(from), 1)
	question := encap.Frame{Data: append(bytes.Repeat([]byte{0xff}, 6), here[:]...)}
	if _, _, tell, ok := l.learnedNeighbour(target, &question, 1); !tell || !ok {
		t.Errorf("not learned: tell %v, known %v", tell, ok)
	}
	noAllocs(t, "what is known already", func(now fdb.Tick) { l.learnFromRemote(s, f.Data, &in, encap.AddrFrom(from), now) })
	noAllocs(t, "an answer", func(now fdb.Tick) { l.learnedNeighbour(target, &question, now) })
	unicast := encap.Frame{Data: append(there[:], here[:]...)}
	if _, _, tell, _ := l.learnedNeighbour(target, &unicast, 1); tell {
		t.Error("a question to the host alone is answered")
	}
	if err := l.FDB.Delete(there); err != nil {
		t.Fatal(err)
	}
	if _, _, tell, ok := l.learnedNeighbour(target, &question, 1); tell || !ok {
		t.Error("told of a MAC that the FDB has lost")
	}
}
