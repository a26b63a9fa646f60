package vtep_test

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// tagged is f with a VLAN tag.
func tagged(vlan uint16, f encap.Frame) encap.Frame {
	f.VLAN = vlan
	return encap.Frame{Data: encap.AppendTagged(nil, &f)}
}

// newTrunk makes a trunk port with VLANs 10 and 20 as links of VNI 1010 and 1020,
// all up.
func newTrunk(t *testing.T, net *vteptest.Network) *rig {
	t.Helper()
	r := &rig{node: newNode(t, net, addrA), t: t, wire: net.Capture(), link: "v10"}
	must(t, r.AddTrunk(vtep.TrunkConfig{Name: "trunk0"}))
	must(t, r.SetTrunkUp("trunk0", true))
	r.dev = r.host.Device("trunk0")
	for vlan, name := range map[uint16]string{10: "v10", 20: "v20"} {
		must(t, r.AddLink(vtep.LinkConfig{Name: name, VNI: 1000 + encap.VNI(vlan), Remote: addrB, Trunk: "trunk0", VLAN: vlan}))
		must(t, r.SetLinkUp(name, true))
	}
	return r
}

// TestTrunk: a VLAN of a trunk port is a VNI, and its tag is seen at the port alone.
func TestTrunk(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newTrunk(t, net)
		sent := r.out(tagged(10, frame(macB, macA, "ten")), tagged(20, frame(macB, macA, "twenty")),
			tagged(20, tagged(7, frame(macB, macA, "inner tag"))), tagged(30, frame(macB, macA, "x")), frame(macB, macA, "x"))
		want := [][]byte{
			pack(1010, frame(macB, macA, "ten")), pack(1020, frame(macB, macA, "twenty")),
			pack(1020, tagged(7, frame(macB, macA, "inner tag"))),
		}
		for i, s := range sent {
			if i >= len(want) || !bytes.Equal(s.Payload, want[i]) {
				t.Errorf("packet %d: %x", i, s.Payload)
			}
		}
		if len(sent) != len(want) {
			t.Errorf("%d packets, want %d", len(sent), len(want))
		}
		checkDrops(t, r.Stats(), map[forward.DropReason]uint64{forward.TxUnknownVLAN: 2})
		r.hear(addrB, pack(1010, frame(macA, macB, "ten")))
		r.hear(addrB, pack(1020, frame(macA, macC, "twenty")))
		got := r.got()
		if len(got) != 2 || !bytes.Equal(got[0].Data, tagged(10, frame(macA, macB, "ten")).Data) ||
			!bytes.Equal(got[1].Data, tagged(20, frame(macA, macC, "twenty")).Data) {
			t.Errorf("the port was given %v", got)
		}
		r.behind(macB, addrB)
		r.link = "v20"
		r.behind(macC, addrB)
		if s := r.stats(t, "v20"); s.TxPackets != 2 || s.RxPackets != 1 {
			t.Errorf("v20 counts %+v", s)
		}
	})
}

// TestTrunkVLANIDs: whatever stands in a tag or behind it, the frame goes to the link
// of its VLAN or is counted, and the port's worker lives.
func TestTrunkVLANIDs(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newTrunk(t, net)
		hostile := []encap.Frame{
			tagged(4095, frame(macB, macA, "x")), tagged(0xffff, frame(macB, macA, "x")), // priority 7 as well
			tagged(0xe000, tagged(10, frame(macB, macA, "x"))), // a priority alone, the VLAN below it
			tagged(4095, tagged(4095, frame(macB, macA, "x"))),
		}
		for n := range 18 {
			hostile = append(hostile, encap.Frame{Data: tagged(10, frame(macB, macA, "")).Data[:n]})
		}
		hostile = append(hostile, encap.Frame{ // the checksum starts before the tag
			Data: tagged(10, frame(macB, macA, "checksum")).Data, Offload: encap.Offload{Csum: encap.CsumPartial, CsumStart: 2, CsumOffset: 16},
		})
		if sent := r.out(hostile...); len(sent) != 0 {
			t.Errorf("%d packets were sent", len(sent))
		}
		checkDrops(t, r.Stats(), map[forward.DropReason]uint64{forward.TxUnknownVLAN: 22})
		r.drops(map[forward.DropReason]uint64{forward.TxBadOffload: 1})
		for id := range 1 << 12 {
			r.out(tagged(uint16(id), frame(macB, macA, "x")))
		}
		checkDrops(t, r.Stats(), map[forward.DropReason]uint64{forward.TxUnknownVLAN: 22 + 1<<12 - 2})
		if sent := r.out(tagged(10, frame(macB, macA, "ten"))); len(sent) != 1 {
			t.Errorf("%d packets for VLAN 10 after all this, want 1", len(sent))
		}
	})
}

// TestTrunkOffload: where a tag is taken off, what travels beside the frame follows.
func TestTrunkOffload(t *testing.T) {
	whole := encap.Frame{
		Data:    tagged(10, frame(macB, macA, string(make([]byte, 60)))).Data,
		Offload: encap.Offload{Csum: encap.CsumPartial, CsumStart: 38, CsumOffset: 16},
	}
	if vlan := encap.PopVLAN(&whole); vlan != 10 || whole.Offload.CsumStart != 34 || !bytes.Equal(whole.Data, frame(macB, macA, string(make([]byte, 60))).Data) {
		t.Errorf("VLAN %d, checksum from %d", vlan, whole.Offload.CsumStart)
	}
}

// TestTrunkStates: a VLAN has its own administrative state, and needs the port's.
func TestTrunkStates(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newTrunk(t, net)
		r.hear(addrB, pack(1010, frame(macA, macB, "x")))
		r.hear(addrB, pack(1020, frame(macA, macC, "x")))
		if got := r.got(); len(got) != 2 {
			t.Errorf("%d frames, want 2", len(got))
		}
		must(t, r.SetLinkUp("v10", false))
		r.behind(macB, netip.Addr{}) // conformance L15
		if sent := r.out(tagged(10, frame(macB, macA, "x")), tagged(20, frame(macB, macA, "x"))); len(sent) != 1 {
			t.Errorf("%d packets with one of two links up", len(sent))
		}
		r.drops(map[forward.DropReason]uint64{forward.TxLinkDown: 1})
		must(t, r.SetLinkUp("v10", true))
		must(t, r.SetTrunkUp("trunk0", false))
		synctest.Wait()
		for _, name := range []string{"v10", "v20"} {
			if info, err := r.Link(name); err != nil || info.Up {
				t.Errorf("%s while its port is down: %+v, %v", name, info.Up, err)
			}
		}
		r.link = "v20"
		r.behind(macC, netip.Addr{})
		must(t, r.SetTrunkUp("trunk0", true))
		synctest.Wait()
		if sent := r.out(tagged(10, frame(macB, macA, "x")), tagged(20, frame(macB, macA, "x"))); len(sent) != 2 {
			t.Errorf("%d packets after the port is up again, want 2", len(sent))
		}
	})
}

// TestTrunkMTU: the port's MTU is the least of its links', unless it was given.
func TestTrunkMTU(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newTrunk(t, net)
		mtu := func() int { return r.Trunks()[0].MTU }
		before := mtu()
		must(t, r.AddLink(vtep.LinkConfig{Name: "v30", VNI: 1030, Remote: addrB, Trunk: "trunk0", VLAN: 30, MTU: 1234}))
		if mtu() != 1234 {
			t.Errorf("MTU %d with a link of 1234", mtu())
		}
		must(t, r.UpdateLink("v30", func(c *vtep.LinkConfig) error { c.MTU = 1300; return nil }))
		if mtu() != 1300 {
			t.Errorf("MTU %d with a link of 1300", mtu())
		}
		must(t, r.DelLink("v30"))
		if mtu() != before {
			t.Errorf("MTU %d, before the link it was %d", mtu(), before)
		}
		must(t, r.UpdateTrunk("trunk0", func(c *vtep.TrunkConfig) error { c.MTU = 2000; return nil }))
		must(t, r.AddLink(vtep.LinkConfig{Name: "v30", VNI: 1030, Remote: addrB, Trunk: "trunk0", VLAN: 30, MTU: 1234}))
		if mtu() != 2000 {
			t.Errorf("MTU %d where 2000 was given", mtu())
		}
	})
}

// TestTrunkRefusals: what cannot be changes nothing.
func TestTrunkRefusals(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newTrunk(t, net)
		vlan := func(n uint16) func(*vtep.LinkConfig) error {
			return func(c *vtep.LinkConfig) error { c.VLAN = n; return nil }
		}
		for what, tt := range map[string]struct {
			err, want error
		}{
			"VLAN taken":       {r.AddLink(vtep.LinkConfig{Name: "x", VNI: 7, Trunk: "trunk0", VLAN: 10}), vtep.ErrExist},
			"no such port":     {r.AddLink(vtep.LinkConfig{Name: "x", VNI: 7, Trunk: "trunk1", VLAN: 10}), vtep.ErrNoPort},
			"VLAN 0":           {r.AddLink(vtep.LinkConfig{Name: "x", VNI: 7, Trunk: "trunk0"}), vtep.ErrInvalid},
			"VLAN 4095":        {r.AddLink(vtep.LinkConfig{Name: "x", VNI: 7, Trunk: "trunk0", VLAN: 4095}), vtep.ErrInvalid},
			"no port":          {r.AddLink(vtep.LinkConfig{Name: "x", VNI: 7, VLAN: 10}), vtep.ErrInvalid},
			"address":          {r.AddLink(vtep.LinkConfig{Name: "x", VNI: 7, Trunk: "trunk0", VLAN: 11, Address: macA}), vtep.ErrInvalid},
			"the port's name":  {r.AddLink(vtep.LinkConfig{Name: "trunk0", VNI: 7}), vtep.ErrExist},
			"a link's name":    {r.AddTrunk(vtep.TrunkConfig{Name: "v10"}), vtep.ErrExist},
			"port twice":       {r.AddTrunk(vtep.TrunkConfig{Name: "trunk0"}), vtep.ErrExist},
			"port with links":  {r.DelTrunk("trunk0"), vtep.ErrInvalid},
			"move to a taken":  {r.UpdateLink("v10", vlan(20)), vtep.ErrExist},
			"other trunk":      {r.UpdateLink("v10", func(c *vtep.LinkConfig) error { c.Trunk = "trunk1"; return nil }), vtep.ErrInvalid},
			"delete no port":   {r.DelTrunk("v10"), vtep.ErrNoPort},
			"rename to a port": {r.UpdateLink("v10", func(c *vtep.LinkConfig) error { c.Name = "trunk0"; return nil }), vtep.ErrExist},
		} {
			if !errors.Is(tt.err, tt.want) {
				t.Errorf("%s: %v, want %v", what, tt.err, tt.want)
			}
		}
		want := []vtep.TrunkVLAN{{VLAN: 10, VNI: 1010, Link: "v10"}, {VLAN: 20, VNI: 1020, Link: "v20"}}
		if got := r.Trunks(); len(got) != 1 || !slices.Equal(got[0].VLANs, want) {
			t.Errorf("ports %+v", got)
		}
		must(t, r.UpdateLink("v10", vlan(11)))
		if sent := r.out(tagged(10, frame(macB, macA, "x")), tagged(11, frame(macB, macA, "x"))); len(sent) != 1 {
			t.Errorf("%d packets after the VLAN changed, want 1", len(sent))
		}
		for _, name := range []string{"v10", "v20"} {
			must(t, r.DelLink(name))
		}
		must(t, r.DelTrunk("trunk0"))
	})
}

// TestTrunkDeleted: a port whose netdev is deleted goes with its links.
func TestTrunkDeleted(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newTrunk(t, net)
		must(t, r.dev.Set(tap.Change{Name: "renamed"}))
		synctest.Wait()
		if ports := r.Trunks(); len(ports) != 1 || ports[0].Name != "renamed" {
			t.Errorf("ports %+v", ports)
		}
		r.dev.Delete()
		synctest.Wait()
		if links, ports := r.Links(), r.Trunks(); len(links)+len(ports) != 0 {
			t.Errorf("links %v and ports %v are left", links, ports)
		}
	})
}
