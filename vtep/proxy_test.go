package vtep_test

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// arpRequest asks for the MAC of to.
func arpRequest(from, to netip.Addr) encap.Frame {
	b := append(bcast[:6:6], macB[:]...)
	b = append(b, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
	b = append(append(b, macB[:]...), from.AsSlice()...)
	return encap.Frame{Data: append(append(b, 0, 0, 0, 0, 0, 0), to.AsSlice()...)}
}

// TestProxy: what is in the neighbour table is answered, what becomes of the
// rest depends on l3miss, and the table is followed.
func TestProxy(t *testing.T) {
	here, there, nobody := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2"), netip.MustParseAddr("198.51.100.3")
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r, m := newMissRig(t, net, func(c *vtep.LinkConfig) { c.Proxy, c.L3Miss, c.Remote = true, true, addrB })
		asks := func(what string, to netip.Addr, answers, floods int, told ...miss) {
			t.Helper()
			sent := r.out(arpRequest(here, to))
			got := r.got()
			if len(sent) != floods || len(got) != answers || !slices.Equal(m.take(t), told) {
				t.Errorf("%s: %d answers, %d packets, want %d, %d", what, len(got), len(sent), answers, floods)
			}
			for _, f := range got {
				if encap.EthDst(f.Data) != macB || encap.EthSrc(f.Data) != macC {
					t.Errorf("%s: answered with %x", what, f.Data)
				}
			}
		}
		set := func(edit func(*vtep.LinkConfig)) {
			t.Helper()
			must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { edit(c); return nil }))
		}
		asks("empty", there, 0, 0, miss{ip: there})
		r.dev.SetNeighbours(tap.Neighbour{IP: there, MAC: macC})
		synctest.Wait()
		asks("a neighbour", there, 1, 0)
		asks("another", nobody, 0, 0, miss{ip: nobody})
		must(t, r.FDBAdd(vtep.FDBEntry{Link: r.link, MAC: macC, Remote: vtep.Remote{Addr: addrC}, State: fdb.Permanent}))
		asks("a neighbour behind a remote", there, 1, 0)
		must(t, r.FDBReplace(vtep.FDBEntry{Link: r.link, MAC: macC, State: fdb.Permanent}))
		asks("a neighbour on this side", there, 0, 1)
		must(t, r.FDBDel(r.link, macC, nil))
		set(func(c *vtep.LinkConfig) { c.L3Miss = false })
		asks("another without l3miss", nobody, 0, 1)
		r.dev.SetNeighbours()
		synctest.Wait()
		asks("deleted", there, 0, 1)
		r.dev.SetNeighbours(tap.Neighbour{IP: there, MAC: macC})
		set(func(c *vtep.LinkConfig) { c.Proxy = false })
		asks("noproxy", there, 0, 1)
		set(func(c *vtep.LinkConfig) { c.Proxy = true })
		asks("proxy again", there, 1, 0)
		if s := r.stats(t, r.link); s.Answered != 3 || s.Drops[forward.TxNoNeighbour] != 2 {
			t.Errorf("counted %+v", s)
		}
	})
}

// TestNeighboursOfOthers: a neighbour that comes or goes at the netdev of a link that
// answers for none costs no look at the netdev.
func TestNeighboursOfOthers(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		n, h := hooked(t, net, addrA)
		d := n.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB})
		synctest.Wait()
		looks := 0
		h.let(rules{state: func() error { looks++; return nil }})
		for range 100 {
			d.SetNeighbours(tap.Neighbour{IP: netip.MustParseAddr("198.51.100.7"), MAC: macB})
			synctest.Wait()
		}
		if looks != 0 {
			t.Errorf("%d looks at the netdev for 100 changes of neighbours", looks)
		}
		must(t, n.UpdateLink("vxlan0", func(c *vtep.LinkConfig) error { c.MTU = 1300; return nil }))
		if looks == 0 {
			t.Error("the looks at the netdev are not counted")
		}
	})
}
