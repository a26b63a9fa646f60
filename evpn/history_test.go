package evpn

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/bgp"
)

// TestRandomHistories: after any history, and a frame of each host where it is, all data planes
// agree with where the hosts are.
func TestRandomHistories(t *testing.T) {
	histories := 20
	if testing.Short() {
		histories = 10
	}
	for seed := range uint64(histories) {
		synctest.Test(t, func(t *testing.T) { randomHistory(t, seed) })
		if t.Failed() {
			return
		}
	}
}

func randomHistory(t *testing.T, seed uint64) {
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	f := newFabric(ctx, &group, seed, 4, nil)
	hosts := newHosts(8)
	var did []string
	for range 80 {
		did = append(did, f.event(hosts))
		time.Sleep(time.Duration(f.rnd.IntN(120)) * time.Millisecond)
	}
	for _, v := range f.vteps { // all is repaired
		if v.plane.isDead() {
			v.plane.restart()
		}
		if !v.isUp() {
			v.connect()
		}
	}
	for range 3 { // the hosts speak where they are
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		for _, h := range hosts {
			if h.at >= 0 {
				f.vteps[h.at].plane.frame(h.link, h.mac, h.ip)
				f.vteps[h.at].plane.ageAddrs(h.link, h.mac, h.ip)
			}
			for i, v := range f.vteps { // and nowhere else, so that others age
				if i != h.at {
					v.plane.age(h.link, h.mac)
				}
			}
		}
	}
	time.Sleep(5 * time.Minute)
	synctest.Wait()
	if wrong := f.check(hosts); len(wrong) > 0 {
		t.Errorf("seed %d: %d differences:", seed, len(wrong))
		for _, w := range wrong {
			t.Error(w)
		}
		for _, d := range did {
			t.Log(d)
		}
	}
}

func newHosts(n int) []host {
	var hosts []host
	for i := range n {
		for _, vni := range vnis {
			hosts = append(hosts, host{link: fmt.Sprint("vxlan", vni), mac: bgp.MAC{2, 0, 0, 0, byte(vni), byte(i)}, ip: netip.AddrFrom4([4]byte{198, 51, 100, byte(i + 1)}), at: -1})
		}
	}
	return hosts
}

// event is one event of a history.
func (f *fabric) event(hosts []host) string {
	i := f.rnd.IntN(len(f.vteps))
	v := f.vteps[i]
	h := &hosts[f.rnd.IntN(len(hosts))]
	switch n := f.rnd.IntN(100); {
	case n < 60:
		h.at = i
		v.plane.frame(h.link, h.mac, h.ip)
		return fmt.Sprintf("%v of %s speaks at %v", h.mac, h.link, v.addr)
	case n < 70:
		if h.at >= 0 {
			f.vteps[h.at].plane.age(h.link, h.mac)
		}
		h.at = -1
		return fmt.Sprintf("%v of %s goes", h.mac, h.link)
	case n < 76: // two hosts change their addresses
		o := &hosts[f.rnd.IntN(len(hosts))]
		h.ip, o.ip = o.ip, h.ip
		if h.link != o.link {
			h.ip, o.ip = o.ip, h.ip
		}
		return fmt.Sprintf("%v and %v change addresses", h.mac, o.mac)
	case n < 82:
		if v.isUp() {
			v.disconnect()
			return fmt.Sprintf("session of %v goes", v.addr)
		}
		v.connect()
		return fmt.Sprintf("session of %v comes", v.addr)
	case n < 88:
		v.restartAgent()
		return fmt.Sprintf("agent of %v restarts", v.addr)
	case n < 94:
		if v.plane.isDead() {
			v.plane.restart()
			return fmt.Sprintf("data plane of %v comes", v.addr)
		}
		v.plane.kill()
		return fmt.Sprintf("data plane of %v goes", v.addr)
	case n < 97:
		v.plane.cut()
		return fmt.Sprintf("stream of %v is cut", v.addr)
	}
	return "nothing"
}

func (v *fakeVTEP) isUp() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.up
}

func (p *fakePlane) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}
