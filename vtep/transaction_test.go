package vtep_test

import (
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// beside is another client's change in the middle of an update. Real time passes:
// whoever waits for a lock is not asleep in a bubble's sense.
type beside struct {
	once sync.Once
	done chan struct{}
	err  error // when done is closed
}

// while starts change the first time, and each time gives it as long as it takes if
// nothing holds it up.
func (b *beside) while(change func() error) {
	b.once.Do(func() {
		b.done = make(chan struct{})
		go func() {
			b.err = change()
			close(b.done)
		}()
	})
	select {
	case <-b.done:
	case <-time.After(100 * time.Millisecond):
	}
}

// ended waits for the change.
func (b *beside) ended() error {
	<-b.done
	return b.err
}

// TestFailedUpdateKeepsOthers: an update that fails undoes its own change, and not
// what another client was told is done.
func TestFailedUpdateKeepsOthers(t *testing.T) {
	n, h := hooked(t, vteptest.NewNetwork(), addrA)
	must(t, n.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB, MTU: 1400}))
	var other beside
	h.let(rules{set: func(tap.Change) error {
		other.while(func() error {
			return n.UpdateLink("vxlan0", func(c *vtep.LinkConfig) error { c.TTL = 9; return nil })
		})
		return errRefused
	}})
	if err := n.UpdateLink("vxlan0", func(c *vtep.LinkConfig) error { c.MTU, c.TOS = 1300, 4; return nil }); !errors.Is(err, errRefused) {
		t.Errorf("the device refuses, UpdateLink: %v", err)
	}
	must(t, other.ended())
	info, err := n.Link("vxlan0")
	must(t, err)
	if info.Config.TTL != 9 || info.Config.TOS != 0 || info.Config.MTU != 1400 {
		t.Errorf("ttl %d, tos %d, mtu %d, want 9, 0 and 1400", info.Config.TTL, info.Config.TOS, info.Config.MTU)
	}
}

// TestRenamesToOneName: of all who want a name at the same time one gets it, and no
// link is lost.
func TestRenamesToOneName(t *testing.T) {
	for name, want := range map[string]func(*node) error{
		"link": func(n *node) error {
			return n.UpdateLink("vxlan1", func(c *vtep.LinkConfig) error { c.Name = "wanted"; return nil })
		},
		"new link": func(n *node) error {
			return n.AddLink(vtep.LinkConfig{Name: "wanted", VNI: 44, Remote: addrB, Trunk: "trunk0", VLAN: 3})
		},
		"trunk": func(n *node) error { return n.AddTrunk(vtep.TrunkConfig{Name: "wanted"}) },
	} {
		t.Run(name, func(t *testing.T) {
			n, h := hooked(t, vteptest.NewNetwork(), addrA)
			must(t, n.AddTrunk(vtep.TrunkConfig{Name: "trunk0"}))
			must(t, n.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB, Trunk: "trunk0", VLAN: 1, MTU: 1400, Dev: "eth0"}))
			must(t, n.AddLink(vtep.LinkConfig{Name: "vxlan1", VNI: 43, Remote: addrB, Trunk: "trunk0", VLAN: 2}))
			var other beside
			h.let(rules{iface: func(string) error {
				other.while(func() error { return want(n) })
				return nil
			}})
			errs := []error{n.UpdateLink("vxlan0", func(c *vtep.LinkConfig) error { c.Name, c.MTU = "wanted", 0; return nil })}
			errs = append(errs, other.ended())
			if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), vtep.ErrExist) {
				t.Errorf("two want one name: %v", errs)
			}
			h.let(rules{})
			if name != "link" {
				return
			}
			if len(n.Links()) != 2 {
				t.Errorf("%d links are left", len(n.Links()))
			}
			must(t, n.UpdateLink("wanted", func(c *vtep.LinkConfig) error { c.Name = "another"; return nil }))
			must(t, n.AddLink(vtep.LinkConfig{Name: "wanted", VNI: 44, Remote: addrB})) // free again
		})
	}
}

// TestNoDefaultNoChange: where the new default destination cannot be had, the link
// is as before.
func TestNoDefaultNoChange(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		n := newNode(t, net, addrA, addrA6)
		n.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, MTU: 1400})
		before := n.standing(t, "vxlan0")
		n.SpoilRemote("vxlan0", addrB6)
		if err := n.UpdateLink("vxlan0", func(c *vtep.LinkConfig) error { c.Remote, c.TTL = addrB6, 9; return nil }); err == nil {
			t.Error("a remote too many is taken")
		}
		if after := n.standing(t, "vxlan0"); !reflect.DeepEqual(after, before) {
			t.Errorf("after:\n%+v\nbefore:\n%+v", after, before)
		}
	})
}

// TestTrunkUpdateRefused: of a port's changes that one is refused the others are
// undone.
func TestTrunkUpdateRefused(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		n, h := hooked(t, net, addrA)
		must(t, n.AddTrunk(vtep.TrunkConfig{Name: "trunk0", MTU: 1400, Address: macA}))
		before := n.Trunks()
		h.let(rules{mtuOnly: true})
		if err := n.UpdateTrunk("trunk0", func(c *vtep.TrunkConfig) error { c.MTU, c.Address = 1300, macC; return nil }); !errors.Is(err, errRefused) {
			t.Errorf("the device refuses, UpdateTrunk: %v", err)
		}
		h.let(rules{})
		must(t, n.SetTrunkUp("trunk0", false)) // looks at the netdev again
		if after := n.Trunks(); !reflect.DeepEqual(after, before) {
			t.Errorf("after:\n%+v\nbefore:\n%+v", after, before)
		}
	})
}
