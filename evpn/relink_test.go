package evpn

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// slowPlane is a data plane whose answers wait for gate, where there is one.
type slowPlane struct {
	DataPlane
	gate chan struct{}
}

func (s *slowPlane) Apply(ctx context.Context, changes []Change) ([]error, error) {
	if s.gate != nil {
		<-s.gate
	}
	return s.DataPlane.Apply(ctx, changes)
}

// TestLinkReplaced: what was under way to a link that is gone does not stay in the one that has its
// name by now, and is wanted there no more.
func TestLinkReplaced(t *testing.T) {
	route := t2(lowVTEP, hostA, netip.Addr{})
	replace := func(b *bench) {
		b.HandleLinkGone("vxlan42")
		b.HandleLink(Link{Name: "vxlan42", VNI: 42, Local: ownVTEP})
		b.unhear(route)
	}
	t.Run("queued", func(t *testing.T) {
		withAgent(t, nil, func(t *testing.T, b *bench) {
			b.locked(func() { b.dead = errors.New("no answer") })
			b.hear(route, with(lowVTEP))
			replace(b)
			b.locked(func() { b.dead = nil })
			time.Sleep(time.Minute)
			synctest.Wait()
			equal(t, "the address", b.at(hostA), netip.Addr{})
		})
	})
	t.Run("in flight", func(t *testing.T) {
		var s *slowPlane
		withAgent(t, func(c *Config) {
			s = &slowPlane{DataPlane: c.Plane}
			c.Plane = s
		}, func(t *testing.T, b *bench) {
			s.gate = make(chan struct{})
			b.hear(route, with(lowVTEP))
			replace(b)
			close(s.gate)
			time.Sleep(time.Minute)
			synctest.Wait()
			equal(t, "the address", b.at(hostA), netip.Addr{})
		})
	})
}
