package vtep_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// TestC10TooBig: a frame that does not fit the path is dropped, counted, and
// its sender told the MTU that fits.
func TestC10TooBig(t *testing.T) {
	for _, tt := range []struct {
		name   string
		remote netip.Addr
		packet
		mtu  uint16 // told; 0: nothing is
		icmp []byte // type and code
	}{
		{"IPv4 in IPv4", addrB, packet{payload: 1450}, 1450, []byte{3, 4}},
		{"IPv4 in IPv6", addrB6, packet{payload: 1450}, 1430, []byte{3, 4}},
		{"IPv6 in IPv4", addrB, packet{payload: 1450, v6: true}, 1450, []byte{2, 0}},
		{"tagged", addrB, packet{payload: 1450, tag: true}, 1446, []byte{3, 4}},
		{"without DF", addrB, packet{payload: 1450, noDF: true}, 0, nil},
		{"fits", addrB, packet{payload: 1450 - 28}, 0, nil},
	} {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			r := newRig(t, net, func(c *vtep.LinkConfig) { c.Remote = tt.remote })
			f := tt.build(t)
			sent, got := r.out(f), r.got()
			if fits := tt.name == "fits"; len(sent) == 1 != fits {
				t.Errorf("%s: sent %d", tt.name, len(sent))
			} else if !fits {
				r.drops(map[vtep.DropReason]uint64{vtep.TxTooBig: 1})
			}
			if len(got) == 1 != (tt.mtu != 0) || r.stats(t, r.link).TooBigSent != uint64(len(got)) {
				t.Fatalf("%s: %d answers", tt.name, len(got))
			}
			if tt.mtu == 0 {
				return
			}
			b := got[0].Data
			in := encap.ParseInner(b)
			icmp := b[in.L4:]
			if encap.EthDst(b) != macB || encap.EthSrc(b) != macA || icmp[0] != tt.icmp[0] || icmp[1] != tt.icmp[1] ||
				binary.BigEndian.Uint16(icmp[6:]) != tt.mtu {
				t.Errorf("%s: the answer is % x", tt.name, b)
			}
		})
	}
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		f := packet{payload: 1450}.build(t)
		copy(f.Data, bcast[:])
		if r.out(f); len(r.got()) != 0 {
			t.Error("a broadcast was answered")
		}
		r.drops(map[vtep.DropReason]uint64{vtep.TxTooBig: 1})
	})
}

// TestTooBigOnce: a flooded frame that fits no path is answered once, not once a
// copy.
func TestTooBigOnce(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		must(t, r.FDBAppend(vtep.FDBEntry{Link: r.link, Remote: vtep.Remote{Addr: addrC}}))
		for n := uint64(1); n <= 2; n++ {
			if sent := r.out(packet{payload: 1450}.build(t)); len(sent) != 0 {
				t.Fatalf("%d copies were sent", len(sent))
			}
			if got := len(r.got()); got != 1 {
				t.Errorf("frame %d: %d answers, want 1", n, got)
			}
			r.drops(map[vtep.DropReason]uint64{vtep.TxTooBig: 2 * n})
		}
	})
}

// TestLinkLocal: the transmitter is bound to dev, so that link-local remotes,
// configured and learned, need no interface of their own; one by way of
// another device does.
func TestLinkLocal(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		b, c := netip.MustParseAddr("fe80::b"), netip.MustParseAddr("fe80::c")
		r := newRig(t, net, func(l *vtep.LinkConfig) { acceptAny(l); l.Remote, l.Dev = b, "eth0" })
		for _, tx := range r.host.Transmitters() {
			if tx.Device != "eth0" {
				t.Errorf("transmitter %+v", tx)
			}
		}
		r.in(c, frame(macA, macC, "x"))
		r.in(addrB6, frame(macA, macB, "x"))
		for mac, want := range map[encap.MAC]netip.Addr{bcast: b, macC: c, macB: addrB6} {
			if sent := r.out(frame(mac, macA, "x")); len(sent) != 1 || sent[0].Zone != 0 || sent[0].Dst.Netip() != want {
				t.Errorf("sent %+v, want to %s", sent, want)
			}
		}
	})
}

// TestUpdateDev: the default entry goes with the device, by which it is sent.
func TestUpdateDev(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, func(l *vtep.LinkConfig) { l.Dev = "eth0" })
		for _, step := range []struct {
			dev    string
			remote netip.Addr
		}{{"", addrB}, {"eth0", addrB}, {"", addrC}, {"eth0", addrB}, {"", addrB}} {
			must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.Dev, c.Remote = step.dev, step.remote; return nil }))
			if sent := r.out(frame(bcast, macA, "x")); len(sent) != 1 || sent[0].Zone != 0 || sent[0].Dst.Netip() != step.remote {
				t.Errorf("%+v: sent %+v", step, sent)
			}
		}
	})
}
