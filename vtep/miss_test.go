package vtep_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// misses collects what OnMiss is told.
type misses struct {
	mu  sync.Mutex
	all []vtep.Miss
}

func (m *misses) note(e vtep.Miss) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, e)
}

func (m *misses) take() []vtep.Miss {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.all
	m.all = nil
	return all
}

// newMissRig is newRig whose VTEP tells m of misses.
func newMissRig(t *testing.T, net *vteptest.Network, m *misses, edit func(*vtep.LinkConfig)) *rig {
	t.Helper()
	h := net.Host(addrA)
	v := vtep.New(vtep.Config{Host: h, Log: slog.New(slog.DiscardHandler), Workers: 2, OnMiss: m.note})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-done)
	})
	r := &rig{node: &node{VTEP: v, host: h, net: net, addr: addrA}, t: t, wire: net.Capture(), link: "vxlan0"}
	c := vtep.LinkConfig{Name: "vxlan0", VNI: 42}
	edit(&c)
	r.dev = r.addUp(t, c)
	return r
}

// TestL2Miss: a frame for a MAC that has no entry is told of, where there is no
// default entry either; a group's is not.
func TestL2Miss(t *testing.T) {
	for _, on := range []bool{true, false} {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			var m misses
			r := newMissRig(t, net, &m, func(c *vtep.LinkConfig) { c.L2Miss = on })
			want := func(what string, want ...vtep.Miss) {
				t.Helper()
				if !on {
					want = nil
				}
				if got := m.take(); !slices.Equal(got, want) {
					t.Errorf("l2miss %v: %s: told of %v, want %v", on, what, got, want)
				}
			}
			r.out(frame(macC, macB, "x"))
			want("no entry", vtep.Miss{Link: "vxlan0", Kind: vtep.MissL2, MAC: macC})
			r.out(frame(bcast, macB, "x"), frame(encap.MAC{1, 0, 0x5e, 0, 0, 1}, macB, "x"))
			want("groups")
			must(t, r.FDBAdd(vtep.FDBEntry{Link: r.link, MAC: macC, Remote: vtep.Remote{Addr: addrC}, State: fdb.Permanent}))
			r.out(frame(macC, macB, "x"))
			want("an entry")
			must(t, r.FDBAppend(vtep.FDBEntry{Link: r.link, Remote: vtep.Remote{Addr: addrB}}))
			r.out(frame(macA, macB, "x"))
			want("a default entry")
		})
	}
}
