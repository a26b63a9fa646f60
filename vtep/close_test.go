package vtep_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// remover is a Host that removes devices together.
type remover struct {
	*vteptest.Host
	remove func([]vtep.Port)
}

func (r *remover) RemoveNetdevs(p []vtep.Port) error {
	r.remove(p)
	return nil
}

// TestCloseTogether: a VTEP that ends gives its host all netdevs at once, with its own
// lock free, and tells of each link after that; then nothing is left.
func TestCloseTogether(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		const links = 50
		h := &remover{Host: net.Host(addrA)}
		v := vtep.New(vtep.Config{Host: h})
		must(t, v.AddTrunk(vtep.TrunkConfig{Name: "trunk0"}))
		for i := range links {
			c := vtep.LinkConfig{Name: fmt.Sprint("vxlan", i), VNI: 100, Local: addrA, Remote: addrB, DstPort: uint16(5000 + i)}
			if i == 0 {
				c.Trunk, c.VLAN = "trunk0", 7
			}
			must(t, v.AddLink(c))
		}
		sub, err := v.Subscribe(vtep.LinkEvents)
		must(t, err)
		defer sub.Close()
		calls := 0
		h.remove = func(p []vtep.Port) {
			calls++
			if len(p) != links { // that on the trunk port has none, which has one itself
				t.Errorf("%d devices are removed, want %d", len(p), links)
			}
			if n := len(v.Links()); n != 0 { // would wait for ever with the lock held
				t.Errorf("%d links are there yet", n)
			}
			if err := v.AddLink(vtep.LinkConfig{Name: "late", VNI: 1}); err == nil {
				t.Error("a link is added to a VTEP that ends")
			}
			if n := len(waiting(sub)); n != 0 {
				t.Errorf("%d links are told to be gone before they are", n)
			}
		}
		must(t, v.Close())
		if calls != 1 {
			t.Errorf("the host was asked %d times", calls)
		}
		told := waiting(sub)
		for _, e := range told {
			if e.Kind != vtep.LinkRemoved {
				t.Errorf("told %v", e.Kind)
			}
		}
		if len(told) != links {
			t.Errorf("%d links are told to be gone, want %d", len(told), links)
		}
		if d, r := h.Devices(), len(h.Receivers()); d != 0 || r != 0 {
			t.Errorf("%d devices and %d receivers are left", d, r)
		}
		must(t, v.Close())
	})
}

// waiting is what a subscription has to tell without waiting for more.
func waiting(s *vtep.Subscription) []vtep.Event {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond) // of the bubble's clock
	defer cancel()
	events, _, _ := s.Read(ctx, nil)
	return events
}
