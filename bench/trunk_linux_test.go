package bench

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/test/load"
)

// benchmarkTrunk measures a trunk port whose VLANs take turns frame by frame: frames a second that leave to one
// remote, and packets a second that come in from it: joined by UDP_GRO, as from another host, and singly, as from a
// sender that may be on this host (T1 in docs/conformance.md). One VLAN is the measure of 64.
func (h *harness) benchmarkTrunk(b *testing.B) {
	elsewhere := []string{"samehost", "none"}
	for _, row := range []struct {
		name    string
		tenants int
		flows   bool
	}{{"vlans=1", 1, false}, {"vlans=64/interleaved", 64, false}, {"vlans=64/interleaved-flows", 64, true}} {
		systems := []system{daemon("uvtep", h.exe, nil, elsewhere)}
		reference := "uvtep"
		if exe := os.Getenv(beforeEnv); exe != "" {
			systems = append([]system{daemon("before", exe, nil, elsewhere)}, systems...)
			reference = "before"
		}
		for i := range systems {
			systems[i].prepare = func(p *pair) error { return trunked(p, row.tenants) }
		}
		g := h.group("as-is")
		c := load.TrunkConfig{Tenants: row.tenants, Flows: row.flows, Duration: h.round}
		h.row(b, row.name+"/port-to-remote", reference, g.contestants(func(p *pair) ([]figure, error) {
			c.From = p.a
			n, elapsed, err := load.TrunkFrames(c, "trunk0", p.b, netip.AddrPortFrom(addrSink, 4789))
			return []figure{{unit: "kpps", value: float64(n) / elapsed.Seconds() / 1e3}}, err
		}, systems...))
		h.row(b, row.name+"/remote-to-port", reference, g.contestants(func(p *pair) ([]figure, error) {
			return trunkPackets(c, p)
		}, systems...))
		h.row(b, row.name+"/remote-to-port-singly", reference, g.contestants(func(p *pair) ([]figure, error) {
			auto := "auto" // of one link is enough
			if err := p.controls[0].ChangeLink(context.Background(), "vxlan0", api.LinkChange{LinkSpec: api.LinkSpec{SameHost: &auto}}); err != nil {
				return nil, err
			}
			return trunkPackets(c, p)
		}, systems...))
		g.close(b)
	}
}

// trunkPackets measures what the VLANs of a's trunk port deliver of packets from b.
func trunkPackets(c load.TrunkConfig, p *pair) ([]figure, error) {
	c.From = p.b
	before, err := trunkArrivals(p)
	if err != nil {
		return nil, err
	}
	elapsed, err := load.TrunkPackets(c, addrSink, netip.AddrPortFrom(addrA, 4789))
	if err != nil {
		return nil, err
	}
	time.Sleep(100 * time.Millisecond) // what lies in the socket
	after, err := trunkArrivals(p)
	return []figure{{unit: "kpps", value: float64(after-before) / elapsed.Seconds() / 1e3}}, err
}

// addrSink is an address of b's that is the remote of the trunk's links.
var addrSink = netip.MustParseAddr("192.0.2.3")

// trunked gives a's VTEP a trunk port with a link a VLAN, all with one remote.
func trunked(p *pair, vlans int) error {
	ctx, c := context.Background(), p.controls[0]
	up := true
	if err := p.b.AddAddr(p.wire.B, netip.PrefixFrom(addrSink, 24)); err != nil {
		return err
	}
	if err := c.AddPort(ctx, api.PortChange{PortSpec: api.PortSpec{Name: "trunk0"}, Up: &up}); err != nil {
		return err
	}
	for n := range vlans {
		id, name, port, vlan := uint32(load.FirstVNI+n), fmt.Sprint("v", n), "trunk0", uint16(1+n)
		local, remote, sameHost := addrA, addrSink, "none"
		err := c.AddLink(ctx, api.LinkChange{Up: &up, LinkSpec: api.LinkSpec{Name: name, ID: &id, Local: &local, Remote: &remote, Trunk: &port, VLAN: &vlan, SameHost: &sameHost}})
		if err != nil {
			return err
		}
	}
	return nil
}

// trunkArrivals is how many packets the VLANs have delivered.
func trunkArrivals(p *pair) (n uint64, err error) {
	links, err := p.controls[0].Links(context.Background())
	for _, l := range links {
		if l.Spec.Trunk != nil {
			n += l.Stats.Rx.Packets
		}
	}
	return n, err
}
