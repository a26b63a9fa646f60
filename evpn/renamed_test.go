package evpn

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/bgp"
)

// TestRenamed: a link that is renamed is told to nobody anew, and what is under way to it arrives.
func TestRenamed(t *testing.T) {
	withAgent(t, nil, func(t *testing.T, b *bench) {
		here := bgp.MAC{2, 0, 0, 0, 0, 0xb}
		b.hear(t2(lowVTEP, hostA, addrA), with(lowVTEP))
		b.seen(here, netip.MustParseAddr("198.51.100.11"))
		asked, said := 0, 0
		b.locked(func() { asked, said = b.asked, b.spoken })
		b.HandleLinkRenamed("vxlan42", "fabric0")
		b.HandleLink(Link{Name: "fabric0", VNI: 42, Local: ownVTEP})
		synctest.Wait()
		b.locked(func() {
			equal(t, "changes of the data plane", b.asked, asked)
			equal(t, "what the speaker was told", b.spoken, said)
		})
		b.unhear(t2(lowVTEP, hostA, addrA))
		b.HandleMAC(MAC{Link: "fabric0", MAC: here, Gone: true})
		time.Sleep(time.Minute)
		synctest.Wait()
		equal(t, "VTEP of what was withdrawn", b.at(hostA), netip.Addr{})
		equal(t, "number of routes", b.announced(), 1)
		b.hear(t2(lowVTEP, hostA, addrA), with(lowVTEP))
		b.locked(func() { equal(t, "the link of its entry", b.macs[hostA].Link, "fabric0") })
		equal(t, "number of links", len(b.VNIs("")), 1)
	})
	t.Run("to a name that the file has settings for", func(t *testing.T) {
		withAgent(t, func(c *Config) {
			c.Links = LinkPolicy{ByName: map[string]LinkConfig{"vxlan42": {}, "quiet0": {NoMAC: true}}}
		}, func(t *testing.T, b *bench) {
			b.seen(bgp.MAC{2, 0, 0, 0, 0, 0xb}, netip.Addr{})
			equal(t, "number of routes", b.announced(), 2)
			b.HandleLinkRenamed("vxlan42", "quiet0")
			synctest.Wait()
			equal(t, "number of routes", b.announced(), 1)
			b.HandleLinkRenamed("quiet0", "nobodys0")
			synctest.Wait()
			equal(t, "number of routes", b.announced(), 0)
			b.HandleLinkRenamed("nobodys0", "vxlan42")
			synctest.Wait()
			equal(t, "number of routes", b.announced(), 2)
		})
	})
	t.Run("while changes are queued", func(t *testing.T) {
		withAgent(t, nil, func(t *testing.T, b *bench) {
			b.locked(func() { b.dead = errors.New("no answer") })
			b.hear(t2(lowVTEP, hostA, netip.Addr{}), with(lowVTEP))
			b.HandleLinkRenamed("vxlan42", "fabric0")
			b.locked(func() { b.dead = nil })
			time.Sleep(time.Minute)
			synctest.Wait()
			b.locked(func() { equal(t, "the link of its entry", b.macs[hostA].Link, "fabric0") })
		})
	})
	t.Run("while a change is under way", func(t *testing.T) {
		var s *slowPlane
		withAgent(t, func(c *Config) {
			s = &slowPlane{DataPlane: c.Plane}
			c.Plane = s
		}, func(t *testing.T, b *bench) {
			b.locked(func() { b.refuse = errors.New("there is no such link") })
			s.gate = make(chan struct{})
			b.hear(t2(lowVTEP, hostA, netip.Addr{}), with(lowVTEP))
			b.HandleLinkRenamed("vxlan42", "fabric0")
			close(s.gate)
			b.locked(func() { b.refuse = nil })
			time.Sleep(time.Minute)
			synctest.Wait()
			equal(t, "VTEP", b.at(hostA), lowVTEP)
			b.locked(func() { equal(t, "the link of its entry", b.macs[hostA].Link, "fabric0") })
		})
	})
}

// TestManyLinks: a list of a thousand links while there are routes takes not a thousand times as long as
// that of one: where each route belongs is decided once.
func TestManyLinks(t *testing.T) {
	const links = 1000
	list := func(links int) time.Duration {
		a, err := New(Config{AS: 65001, RouterID: ownVTEP, Neighbours: []netip.Addr{reflector}, Links: LinkPolicy{All: true}})
		if err != nil {
			t.Fatal(err)
		}
		var all []bgp.Route
		for i := range 5000 {
			all = append(all, t2(lowVTEP, bgp.MAC{2, 0, 0, 0, byte(i >> 8), byte(i)}, netip.Addr{}))
		}
		a.HandleUpdate(reflector, &bgp.Update{Announced: all, Attributes: with(lowVTEP)})
		began := time.Now()
		a.BeginList()
		for i := range links {
			a.HandleLink(Link{Name: fmt.Sprint("vxlan", 42+i), VNI: 42 + uint32(i), Local: ownVTEP})
		}
		a.EndList()
		a.mu.Lock()
		defer a.mu.Unlock()
		a.joinAll()
		if n := a.links["vxlan42"].macs.n; n != 5000 {
			t.Errorf("the link of the routes has %d of them", n)
		}
		return time.Since(began)
	}
	one, many := list(1), list(links)
	t.Logf("one link %v, %d links %v", one, links, many)
	if many > links/5*one {
		t.Errorf("%d links take %v, one %v", links, many, one)
	}
}
