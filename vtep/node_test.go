package vtep_test

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// Addresses of the hosts in these tests.
var (
	addrA  = netip.MustParseAddr("192.0.2.1")
	addrB  = netip.MustParseAddr("192.0.2.2")
	addrC  = netip.MustParseAddr("192.0.2.3")
	addrA6 = netip.MustParseAddr("2001:db8:1::1")
	addrB6 = netip.MustParseAddr("2001:db8:1::2")
	group  = netip.MustParseAddr("239.1.1.1")
	macA   = encap.MAC{0x02, 0, 0, 0, 0, 0xa}
	macB   = encap.MAC{0x02, 0, 0, 0, 0, 0xb}
	macC   = encap.MAC{0x02, 0, 0, 0, 0, 0xc}
	bcast  = encap.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
)

// node is a host with a VTEP on it.
type node struct {
	*vtep.VTEP
	host *vteptest.Host
	net  *vteptest.Network
	addr netip.Addr
}

// newNode starts a VTEP on a new host of n.
func newNode(t *testing.T, n *vteptest.Network, addrs ...netip.Addr) *node {
	t.Helper()
	h := n.Host(addrs...)
	return startNode(t, n, h, h, addrs[0])
}

// startNode starts a VTEP that opens what it needs through by, which is h or
// something around it.
func startNode(t *testing.T, n *vteptest.Network, h *vteptest.Host, by vtep.Host, addr netip.Addr) *node {
	t.Helper()
	v := vtep.New(vtep.Config{Host: by, Log: slog.New(slog.DiscardHandler), Workers: 2})
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- v.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if d, r, x := h.Devices(), len(h.Receivers()), len(h.Transmitters()); d+r+x > 0 {
			t.Errorf("after Run %d devices, %d receivers, %d transmitters are open", d, r, x)
		}
	})
	return &node{VTEP: v, host: h, net: n, addr: addr}
}

// addUp adds a link and sets it up.
func (n *node) addUp(t *testing.T, c vtep.LinkConfig) *vteptest.Device {
	t.Helper()
	must(t, n.AddLink(c))
	must(t, n.SetLinkUp(c.Name, true))
	return n.host.Device(c.Name)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bubble runs f where time is fake and synctest.Wait knows when every worker
// is idle.
func bubble(t *testing.T, f func(t *testing.T, net *vteptest.Network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, vteptest.NewNetwork()) })
}

// rig is one VTEP with a link that is up, in a bubble, and the wire behind it.
type rig struct {
	*node
	t    *testing.T
	dev  *vteptest.Device
	wire <-chan vteptest.Sent
	link string
}

// newRig makes the link vxlan0, VNI 42 with remote B on A, changed by edit.
func newRig(t *testing.T, net *vteptest.Network, edit func(*vtep.LinkConfig)) *rig {
	t.Helper()
	c := vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB}
	if edit != nil {
		edit(&c)
	}
	addr := addrA
	if c.Remote.Is6() || c.Group.Is6() || c.Local.Is6() {
		addr = addrA6
	}
	r := &rig{node: newNode(t, net, addr), t: t, wire: net.Capture(), link: c.Name}
	r.dev = r.addUp(t, c)
	return r
}

// pack is a VXLAN packet without reserved bits.
func pack(vni encap.VNI, f encap.Frame) []byte {
	h := encap.HeaderFor(vni)
	return append(h[:len(h):len(h)], f.Data...)
}

// hear lets the VTEP receive a datagram from a host.
func (n *node) hear(from netip.Addr, payload []byte) { n.hearTOS(from, 0, payload) }

func (n *node) hearTOS(from netip.Addr, tos uint8, payload []byte) {
	n.net.Send(netip.AddrPortFrom(from, 12345), netip.AddrPortFrom(n.addr, encap.DefaultPort), tos, payload)
}

// out lets the host's stack send frames, and gives what left for the underlay.
func (r *rig) out(frames ...encap.Frame) []vteptest.Sent {
	r.t.Helper()
	for _, f := range frames {
		if !r.dev.Inject(f) {
			r.t.Fatal("the device took no frame")
		}
	}
	return r.sent()
}

// sent takes what left for the underlay.
func (r *rig) sent() []vteptest.Sent {
	synctest.Wait()
	return drain(r.wire)
}

// in lets the VTEP receive frames from a host, and gives what the host's stack
// got.
func (r *rig) in(from netip.Addr, frames ...encap.Frame) []encap.Frame {
	for _, f := range frames {
		r.hear(from, pack(42, f))
	}
	return r.got()
}

// got takes what the host's stack got.
func (r *rig) got() []encap.Frame {
	synctest.Wait()
	return drain(r.dev.Output())
}

// drain takes what is in a channel.
func drain[T any](c <-chan T) []T {
	var all []T
	for {
		select {
		case v := <-c:
			all = append(all, v)
		default:
			return all
		}
	}
}

// stats are the link's.
func (n *node) stats(t *testing.T, link string) forward.Stats {
	t.Helper()
	synctest.Wait()
	info, err := n.Link(link)
	must(t, err)
	return info.Stats
}

// drops checks that want, and nothing else, was dropped on the link, and that
// the netdev's counters show it in the class of each reason.
func (r *rig) drops(want map[forward.DropReason]uint64) {
	r.t.Helper()
	checkDrops(r.t, r.stats(r.t, r.link), want)
}

func checkDrops(t *testing.T, s forward.Stats, want map[forward.DropReason]uint64) {
	t.Helper()
	if !maps.Equal(s.Drops, want) {
		t.Errorf("drops %v, want %v", s.Drops, want)
	}
	var classes forward.Stats
	for r, n := range want {
		switch r {
		case forward.TxPortOverflow, forward.TxUnknownVLAN, forward.TxLinkDown, forward.TxTooShort, forward.TxInnerVLAN, forward.TxNoNeighbour, forward.TxNoRemote, forward.TxFloodLoop, forward.TxBUMLimit, forward.TxPeerBUMLimit, forward.TxNoBuffer:
			classes.TxDropped += n
		case forward.TxUnreadable, forward.TxBadOffload, forward.TxTooManySegments, forward.TxLoop, forward.TxTooBig, forward.TxUnreachable, forward.TxRefused:
			classes.TxErrors += n
		case forward.RxUnreadable, forward.RxNotEthernet, forward.RxShortHeader, forward.RxNoVNIFlag, forward.RxReserved, forward.RxTooShort, forward.RxECN:
			classes.RxErrors += n
		default:
			classes.RxDropped += n
		}
	}
	if s.TxDropped != classes.TxDropped || s.TxErrors != classes.TxErrors ||
		s.RxDropped != classes.RxDropped || s.RxErrors != classes.RxErrors {
		t.Errorf("drops %v: tx dropped %d, errors %d, rx dropped %d, errors %d",
			s.Drops, s.TxDropped, s.TxErrors, s.RxDropped, s.RxErrors)
	}
}

// frame is an Ethernet frame with a payload that is no IP.
func frame(dst, src encap.MAC, payload string) encap.Frame {
	b := append(append(append([]byte{}, dst[:]...), src[:]...), 0x88, 0xb5)
	return encap.Frame{Data: append(b, payload...)}
}

// next is the next frame that d gives to its host.
func next(t *testing.T, d *vteptest.Device) encap.Frame {
	t.Helper()
	select {
	case f := <-d.Output():
		return f
	case <-time.After(5 * time.Second):
		t.Fatal("no frame within 5 s")
		return encap.Frame{}
	}
}

// entries are the link's FDB lines for a MAC; nil for none.
func (n *node) entries(t *testing.T, link string, mac encap.MAC) []vtep.FDBEntry {
	t.Helper()
	all, err := n.FDB(vtep.FDBFilter{Link: link, MAC: &mac})
	must(t, err)
	return all
}

// behind checks that the FDB has mac behind addr, or not at all for the zero
// address.
func (r *rig) behind(mac encap.MAC, addr netip.Addr) {
	r.t.Helper()
	switch e := r.entries(r.t, r.link, mac); {
	case !addr.IsValid() && len(e) == 0:
	case len(e) != 1 || e[0].Remote.Addr != addr:
		r.t.Errorf("FDB of %s: %+v, want it behind %v", mac, e, addr)
	}
}

// dsts are the destinations of packets.
func dsts(sent []vteptest.Sent) []netip.AddrPort {
	var all []netip.AddrPort
	for _, s := range sent {
		all = append(all, netip.AddrPortFrom(s.Dst.Netip(), s.Port))
	}
	return all
}
