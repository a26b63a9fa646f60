package vtep_test

import (
	"testing"
	"testing/synctest"

	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

func TestFloodLearnUnicast(t *testing.T) { bubble(t, testFloodLearnUnicast) }

func testFloodLearnUnicast(t *testing.T, net *vteptest.Network) {
	wire := net.Capture()
	a, b := newNode(t, net, addrA), newNode(t, net, addrB)
	da := a.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB, Local: addrA})
	db := b.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrA, Local: addrB})

	da.Inject(frame(bcast, macA, "who has"))
	if got := next(t, db); string(got.Data[14:]) != "who has" {
		t.Fatalf("flooded frame: %q", got.Data)
	}
	db.Inject(frame(macA, macB, "I have"))
	if got := next(t, da); string(got.Data[14:]) != "I have" {
		t.Fatalf("answer: %q", got.Data)
	}
	<-wire
	if p := <-wire; p.Src != addrB || p.Dst.Netip() != addrA || p.Port != 4789 {
		t.Errorf("answer went %s -> %s:%d", p.Src, p.Dst, p.Port)
	}
	synctest.Wait()
	entries, err := a.FDB(vtep.FDBFilter{Link: "vxlan0"})
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 || entries[1].MAC != macB || entries[1].Remote.Addr != addrB {
		t.Errorf("FDB of a: %+v", entries)
	}
	info, err := a.Link("vxlan0")
	if err != nil {
		t.Fatal(err)
	}
	if s := info.Stats; s.TxPackets != 1 || s.RxPackets != 1 || len(s.Drops) != 0 {
		t.Errorf("statistics of a: %+v", s)
	}
}
