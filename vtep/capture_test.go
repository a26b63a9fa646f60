package vtep_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// TestCaptureAddresses: a captured frame has the outer addresses and ports of the packet that
// left, or came, and links that are added or changed while a capture goes on are in it.
func TestCaptureAddresses(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		c, err := r.Capture(vtep.CaptureConfig{})
		must(t, err)
		defer c.Close()
		must(t, r.UpdateLink(r.link, func(l *vtep.LinkConfig) error { l.TTL = 9; return nil }))
		frame := from(macB)
		sent := r.out(frame)
		if len(sent) != 1 {
			t.Fatalf("%d packets left", len(sent))
		}
		r.in(addrB, from(macC))
		r.hear(addrB, []byte{8, 0, 0})
		r.got()
		list, lost, err := c.Read(t.Context(), nil)
		if more, _ := c.Take(nil); err != nil || len(list) != 3 || lost != 0 || len(more) != 0 {
			t.Fatalf("%d records, %d lost, %d more, %v", len(list), lost, len(more), err)
		}
		if p := list[0]; p.Way != forward.FromPort || p.Src != netip.AddrPortFrom(addrA, sent[0].SrcPort) || p.Dst != netip.AddrPortFrom(addrB, 4789) || p.TTL != 9 || p.Link != r.link || !bytes.Equal(p.Frame.Data, frame.Data) {
			t.Errorf("%+v", p)
		}
		if p := list[1]; p.Way != forward.ToPort || p.Src != netip.AddrPortFrom(addrB, 12345) || p.Dst != netip.AddrPortFrom(addrA, 4789) || p.Dropped {
			t.Errorf("%+v", p)
		}
		if p := list[2]; p.Link != "" || p.Reason != forward.RxShortHeader || p.Dst != netip.AddrPortFrom(addrA, 4789) {
			t.Errorf("%+v", p)
		}
		must(t, r.AddLink(vtep.LinkConfig{Name: "vxlan1", VNI: 43, Remote: addrB}))
		must(t, r.SetLinkUp("vxlan1", true))
		r.hear(addrB, pack(43, from(macC)))
		r.got()
		if list, _ = c.Take(list); len(list) != 1 || list[0].Link != "vxlan1" {
			t.Errorf("%+v", list)
		}
	})
}

// TestCapturesEnd: there are so many at a time, each gives its place back, a capture of a link
// takes that link's frames alone, and all end with the VTEP.
func TestCapturesEnd(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		must(t, r.AddLink(vtep.LinkConfig{Name: "vxlan1", VNI: 43, Remote: addrB}))
		must(t, r.SetLinkUp("vxlan1", true))
		if _, err := r.Capture(vtep.CaptureConfig{Link: "vxlan7"}); !errors.Is(err, vtep.ErrNoLink) {
			t.Errorf("of no link: %v", err)
		}
		var all []*vtep.Capture
		for range 4 {
			c, err := r.Capture(vtep.CaptureConfig{Link: "vxlan1"})
			must(t, err)
			all = append(all, c)
		}
		if _, err := r.Capture(vtep.CaptureConfig{}); !errors.Is(err, vtep.ErrFull) {
			t.Errorf("a fifth: %v", err)
		}
		r.in(addrB, from(macC)) // of vxlan0
		if list, lost := all[0].Take(nil); len(list) != 0 || lost != 0 {
			t.Errorf("%+v", list)
		}
		r.hear(addrB, pack(43, encap.Frame{Data: from(macC).Data}))
		r.got()
		if list, _ := all[0].Take(nil); len(list) != 1 {
			t.Errorf("%+v", list)
		}
		for _, c := range all[1:] {
			c.Close()
			c.Close()
		}
		c, err := r.Capture(vtep.CaptureConfig{})
		must(t, err)
		for range 70 { // some 64 KiB each: more than there is room for
			f := frame(macA, macB, "x")
			f.Data = append(f.Data, make([]byte, 65000)...)
			r.in(addrB, f)
		}
		list, lost := c.Take(nil)
		if n, total := r.Captures(); n != 2 || lost == 0 || total != lost || len(list)+int(lost) != 70 {
			t.Errorf("%d captures, %d records, %d lost, %d in all", n, len(list), lost, total)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := c.Read(ctx, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("Read = %v", err)
		}
		must(t, r.Close())
		if _, _, err := c.Read(t.Context(), nil); !errors.Is(err, vtep.ErrClosed) {
			t.Errorf("Read after Close = %v", err)
		}
	})
}
