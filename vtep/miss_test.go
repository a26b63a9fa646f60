package vtep_test

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// miss is what a link was asked for and does not have.
type miss struct {
	mac encap.MAC
	ip  netip.Addr
}

// misses collects what is told of misses.
type misses struct{ events *vtep.Subscription }

func (m *misses) take(t *testing.T) (all []miss) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	events, _, err := m.events.Read(ctx, nil)
	if err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
	for _, e := range events {
		switch e.Kind {
		case vtep.L2Miss:
			all = append(all, miss{mac: e.Entry.MAC})
		case vtep.L3Miss:
			all = append(all, miss{ip: e.Entry.Remote.Addr})
		default: // what happened to entries and links
		}
	}
	return all
}

// newMissRig is a link without a remote, and what it tells of misses.
func newMissRig(t *testing.T, net *vteptest.Network, edit func(*vtep.LinkConfig)) (*rig, *misses) {
	t.Helper()
	r := &rig{node: newNode(t, net, addrA), t: t, wire: net.Capture(), link: "vxlan0"}
	c := vtep.LinkConfig{Name: "vxlan0", VNI: 42}
	edit(&c)
	r.dev = r.addUp(t, c)
	events, err := r.Subscribe(vtep.FDBEvents)
	must(t, err)
	t.Cleanup(events.Close)
	return r, &misses{events}
}

// TestL2Miss: a frame for a MAC that has no entry is told of, where there is no
// default entry either; a group's is not.
func TestL2Miss(t *testing.T) {
	for _, on := range []bool{true, false} {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			r, m := newMissRig(t, net, func(c *vtep.LinkConfig) { c.L2Miss = on })
			want := func(what string, want ...miss) {
				t.Helper()
				if !on {
					want = nil
				}
				if got := m.take(t); !slices.Equal(got, want) {
					t.Errorf("l2miss %v: %s: told of %v, want %v", on, what, got, want)
				}
			}
			r.out(frame(macC, macB, "x"))
			want("no entry", miss{mac: macC})
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
