package vtep_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// said holds an explanation to the drop reasons that it names and to words of its steps and
// verdict.
func said(t *testing.T, e vtep.Explanation, err error, drops []forward.DropReason, words ...string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, s := range e.Steps {
		all.WriteString(s.Name + ": " + s.Text + "\n")
	}
	all.WriteString(e.Verdict)
	for _, w := range words {
		if !strings.Contains(all.String(), w) {
			t.Errorf("nothing says %q:\n%s", w, all.String())
		}
	}
	if len(e.Drops) != len(drops) || len(drops) > 0 && e.Drops[0] != drops[0] {
		t.Errorf("drops %v, want %v:\n%s", e.Drops, drops, all.String())
	}
}

// TestExplainIsWhatHappens: the source port, the outer length, the remotes and the device that
// an explanation names are those of the packet that then leaves, and nothing left before.
func TestExplainIsWhatHappens(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		must(t, r.FDBAppend(vtep.FDBEntry{Link: r.link, Remote: vtep.Remote{Addr: addrC}, State: fdb.Permanent}))
		frame := from(macB)
		e, err := r.Explain(vtep.Question{Link: r.link, Frame: frame.Data})
		if len(r.wire) > 0 {
			t.Fatal("the explanation sent something")
		}
		sent := r.out(frame)
		if len(sent) != 2 {
			t.Fatalf("%d packets left", len(sent))
		}
		a, b := sent[0], sent[1]
		said(t, e, err, nil, "is flooded, to "+addrB.String(), "sent to 2 remotes",
			a.Dst.String()+" port 4789 vni 42: from "+netip.AddrPortFrom(addrA, a.SrcPort).String(),
			b.Dst.String()+" port 4789 vni 42: from "+netip.AddrPortFrom(addrA, b.SrcPort).String())

		r.host.Block(addrC)
		long := packet{payload: 1400}.build(t)
		e, err = r.Explain(vtep.Question{Link: r.link, Frame: long.Data})
		said(t, e, err, []forward.DropReason{forward.TxUnreachable}, "there is no route")
		if !strings.HasPrefix(e.Verdict, "sent to 1 of 2 remotes") {
			t.Errorf("%q", e.Verdict)
		}
		r.host.SetMTU(1000)
		e, err = r.Explain(vtep.Question{Link: r.link, Frame: long.Data})
		said(t, e, err, []forward.DropReason{forward.TxTooBig, forward.TxUnreachable}, "dropped: tx-too-big")

		e, err = r.Explain(vtep.Question{From: addrB, Link: r.link, Frame: from(macC).Data})
		said(t, e, err, nil, "is a peer", macC.String()+" is learned behind "+addrB.String(), "delivered to vxlan0")
		if _, err := r.FDBGet(r.link, macC); err == nil {
			t.Error("the explanation learned something")
		}
		stranger := netip.MustParseAddr("203.0.113.9")
		e, err = r.Explain(vtep.Question{From: stranger, Frame: from(macC).Data, VNI: new(encap.VNI(42))})
		said(t, e, err, []forward.DropReason{forward.RxNotPeer}, "is no peer", "dropped: rx-not-peer: outer source not covered")
		if !e.Dropped {
			t.Error("a dropped packet is not said to be")
		}
		e, err = r.Explain(vtep.Question{From: stranger, Payload: []byte{8, 0, 0}})
		said(t, e, err, []forward.DropReason{forward.RxShortHeader})
		if _, err := r.Explain(vtep.Question{Link: "vxlan7", Frame: frame.Data}); err == nil {
			t.Error("a link that is not there was explained")
		}
	})
}

// TestExplainTrunk: the frame of a trunk port has its tag, which says whose it is.
func TestExplainTrunk(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		n := newNode(t, net, addrA)
		must(t, n.AddTrunk(vtep.TrunkConfig{Name: "trunk0"}))
		must(t, n.SetTrunkUp("trunk0", true))
		must(t, n.AddLink(vtep.LinkConfig{Name: "v10", VNI: 10, Remote: addrB, Trunk: "trunk0", VLAN: 10}))
		tagged := func(vlan uint16) []byte {
			return encap.AppendTagged(nil, &encap.Frame{Data: from(macB).Data, VLAN: vlan})
		}
		e, err := n.Explain(vtep.Question{Link: "trunk0", Frame: tagged(11)})
		said(t, e, err, []forward.DropReason{forward.TxUnknownVLAN})
		e, err = n.Explain(vtep.Question{Link: "trunk0", Frame: tagged(10)})
		said(t, e, err, []forward.DropReason{forward.TxLinkDown}, "VLAN 10 of its trunk port, down")
		must(t, n.SetLinkUp("v10", true))
		e, err = n.Explain(vtep.Question{Link: "trunk0", Frame: tagged(10)})
		said(t, e, err, nil, "sent to "+addrB.String())
		e, err = n.Explain(vtep.Question{Link: "v10", Frame: from(macB).Data})
		said(t, e, err, nil, "sent to "+addrB.String())
		e, err = n.Explain(vtep.Question{From: addrB, Link: "v10", Frame: from(macC).Data})
		said(t, e, err, nil, "by its trunk port with VLAN 10", "delivered to v10")
	})
}
