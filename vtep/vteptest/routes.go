package vteptest

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/uvtep/uvtep/underlay"
)

// SetMTU changes the MTU of every route and underlay device, 1500 at first.
func (h *Host) SetMTU(n int) { h.mtu.Store(int64(n)) }

// SetPathMTU has the host believe that the path to dst is narrower than the
// route, as an ICMP message may have said.
func (h *Host) SetPathMTU(dst netip.Addr, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.paths == nil {
		h.paths = make(map[netip.Addr]int)
	}
	h.paths[dst] = n
}

func (h *Host) pathMTU(dst netip.Addr) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	mtu := int(h.mtu.Load())
	if n := h.paths[dst]; n != 0 {
		mtu = min(mtu, n)
	}
	return mtu
}

// Complain has ICMP say to one transmitter of the host what is wrong with its
// packets.
func (h *Host) Complain(errs ...underlay.ICMPError) {
	h.mu.Lock()
	t := h.senders[0]
	h.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.errors = append(t.errors, errs...)
}

// SetOver has the route to dst leave through these interfaces, as wide as the
// narrowest of them; nil: through eth0 again.
func (h *Host) SetOver(dst netip.Addr, over []underlay.Lower) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over == nil {
		h.over = make(map[netip.Addr][]underlay.Lower)
	}
	h.over[dst] = over
}

// Block takes the route to dst away.
func (h *Host) Block(dst netip.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.blocked = append(h.blocked, dst)
}

// RouteTo implements vtep.Host.
func (h *Host) RouteTo(dst netip.Addr, _ string) (underlay.Route, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.addrs, func(a netip.Addr) bool { return a.Is6() == dst.Is6() })
	if i < 0 || slices.Contains(h.blocked, dst) {
		return underlay.Route{}, fmt.Errorf("no route to %s", dst)
	}
	r := underlay.Route{MTU: int(h.mtu.Load()), Interface: 1, Source: h.addrs[i], Local: h.owns(dst)}
	if r.Over = h.over[dst]; r.Over == nil {
		r.Over = []underlay.Lower{{Index: 1, MTU: r.MTU}}
	}
	for _, l := range r.Over {
		r.MTU = min(r.MTU, l.MTU)
	}
	return r, nil
}

// Interface implements vtep.Host: eth0 is the only underlay device.
func (h *Host) Interface(name string) (underlay.Interface, error) {
	if name != "eth0" {
		return underlay.Interface{}, fmt.Errorf("no device %q", name)
	}
	mtu := int(h.mtu.Load())
	return underlay.Interface{Index: 1, MTU: mtu, Over: []underlay.Lower{{Index: 1, MTU: mtu}}}, nil
}
