package vtep_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// TestHandedToGroupLink: a link that knows its own echo by its source address takes
// what another link of this VTEP hands over from that address.
func TestHandedToGroupLink(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		n := newNode(t, net, addrA)
		from := n.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Local: addrA})
		to := n.addUp(t, vtep.LinkConfig{Name: "vxlan1", VNI: 43, Group: group, Local: addrA, Dev: "eth0", Accept: vtep.Accept{Mode: vtep.AcceptAny}})
		vni := encap.VNI(43)
		must(t, n.FDBAppend(vtep.FDBEntry{Link: "vxlan0", Remote: vtep.Remote{Addr: addrA, VNI: &vni}}))
		time.Sleep(2 * time.Second)
		if !from.Inject(frame(bcast, macB, "x")) {
			t.Fatal("the device took no frame")
		}
		synctest.Wait()
		if got := drain(to.Output()); len(got) != 1 {
			t.Errorf("%d frames were handed over; drops %v", len(got), n.stats(t, "vxlan1").Drops)
		}
	})
}

// TestHandedToManyVLANs: frames for links whose VLANs a trunk port has in turns are
// handed over in one write of that port, and count at their links.
func TestHandedToManyVLANs(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		n := newNode(t, net, addrA)
		must(t, n.AddTrunk(vtep.TrunkConfig{Name: "trunk0", MTU: 1400}))
		must(t, n.SetTrunkUp("trunk0", true))
		from := n.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Local: addrA})
		const links = 70
		for i := range links {
			name := "v" + string(rune('0'+i))
			must(t, n.AddLink(vtep.LinkConfig{Name: name, VNI: encap.VNI(100 + i), Local: addrA, Trunk: "trunk0", VLAN: uint16(i + 1), Accept: vtep.Accept{Mode: vtep.AcceptAny}}))
			must(t, n.SetLinkUp(name, true))
			vni := encap.VNI(100 + i)
			must(t, n.FDBAppend(vtep.FDBEntry{Link: "vxlan0", Remote: vtep.Remote{Addr: addrA, VNI: &vni}}))
		}
		time.Sleep(2 * time.Second)
		for _, frames := range []int{3, 20} { // all links' at once; more than a port is given at once
			before := map[string]uint64{}
			for i := range links {
				name := "v" + string(rune('0'+i))
				before[name] = n.stats(t, name).RxPackets
			}
			for range frames {
				if !from.Inject(frame(bcast, macB, "x")) {
					t.Fatal("the device took no frame")
				}
			}
			synctest.Wait()
			tags := map[uint16]int{}
			for _, f := range drain(n.host.Device("trunk0").Output()) {
				tags[encap.PopVLAN(&f)]++
			}
			for i := range links {
				name := "v" + string(rune('0'+i))
				if s := n.stats(t, name); s.RxPackets-before[name] != uint64(frames) || tags[uint16(i+1)] != frames {
					t.Errorf("%s: %d packets counted, %d frames with its VLAN; drops %v", name, s.RxPackets-before[name], tags[uint16(i+1)], s.Drops)
				}
			}
		}
	})
}
