package conformance

import (
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/test/lab"
)

// rewire deletes the wire with its devices, as a driver that is loaded again
// does, and makes another of the same name.
func (r *rig) rewire() {
	r.Helper()
	name := r.wire.A
	check(r.T, r.dut.DelLink(name))
	r.wire = must(r.dut.Lab().Wire(r.dut, r.probe, lab.WireOptions{Offload: map[string]bool{"tx": false}}))(r.T)
	if r.wire.A != name {
		r.Fatalf("the new device is called %s, the old one %s", r.wire.A, name)
	}
	check(r.T, r.dut.Sysctl("net.ipv6.conf."+name+".disable_ipv6", "0"))
	far := must(r.probe.MAC(r.wire.B))(r.T)
	check(r.T, r.dut.AddAddr(name, r.local))
	for _, p := range r.peers {
		check(r.T, r.dut.SetNeighbour(name, p, far))
	}
	r.under = must(r.probe.OpenPacket(r.wire.B))(r.T)
	r.to.dstMAC, r.to.srcMAC = must(r.dut.MAC(name))(r.T), far
}

// TestC08DeviceReplaced: a link whose underlay device was deleted and made again
// sends, hears and is in its group as before.
func TestC08DeviceReplaced(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startGroup(t, f)
		r.fdb("add", api.FDBEntry{MAC: farMAC, Dst: r.peers[1], Via: r.wire.A})
		r.rewire()
		r.until("join the group on the new device", func() bool { return r.members(f.group) == 1 })
		if p := r.emit(frameTo(broadcast)); p.dst != f.group {
			t.Errorf("a broadcast went to %s, want the group %s", p.dst, f.group)
		}
		if p := r.emit(frameTo(farMAC)); p.dst != r.peers[1] {
			t.Errorf("a frame to %s went to %s, want %s", farMAC, p.dst, r.peers[1])
		}
		frame := frameFrom(farMAC2)
		r.send(r.toGroup(frame))
		r.arrives(frame)
		r.delivers(frame)
	})
}

// TestL22DevRoutes: `dev` holds for the default remote alone. With the VTEP's address
// on lo, what has an entry leaves as the routing table says; test/interop compares
// with the kernel.
func TestL22DevRoutes(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := newRig(t, f)
		r.start("id 42 dev lo local", f.local.Addr().String())
		r.fdb("add", api.FDBEntry{MAC: farMAC, Dst: r.peers[1]})
		if p := r.emit(frameTo(farMAC)); p.dst != r.peers[1] {
			t.Errorf("a frame to %s went to %s, want %s", farMAC, p.dst, r.peers[1])
		}
		frame := frameFrom(farMAC2)
		r.delivers(frame, from(r.peers[1]))
		if p := r.emit(frameTo(farMAC2)); p.dst != r.peers[1] {
			t.Errorf("an answer went to %s, want %s", p.dst, r.peers[1])
		}
	})
}
