package vtep_test

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
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
				r.drops(map[forward.DropReason]uint64{forward.TxTooBig: 1})
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
		r.drops(map[forward.DropReason]uint64{forward.TxTooBig: 1})
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
			r.drops(map[forward.DropReason]uint64{forward.TxTooBig: 2 * n})
		}
	})
}

// TestNarrowPath: what ICMP says of one remote's path, which anybody can forge,
// counts for that remote alone and down to what each host must be able to send.
func TestNarrowPath(t *testing.T) {
	for _, tt := range []struct {
		name   string
		remote netip.Addr
		path   int
		packet
		goes bool // in fragments
		told uint16
	}{
		{"IPv6", addrB, 552, packet{payload: 1233, v6: true}, false, 1280},
		{"IPv6 of 1280", addrB, 552, packet{payload: 1232, v6: true}, true, 0},
		{"IPv6 of 1280 in IPv6", addrB6, 1280, packet{payload: 1232, v6: true}, true, 0},
		{"IPv6, tagged", addrB, 552, packet{payload: 1233, v6: true, tag: true}, false, 1280},
		{"IPv4", addrB, 552, packet{payload: 1232}, false, 502},
		{"IPv4 of 502, by a path that cannot be", addrB, 500, packet{payload: 474}, true, 0},
		{"IPv4 of 503", addrB, 500, packet{payload: 475}, false, 502},
		{"IPv4 in IPv6", addrB6, 1280, packet{payload: 1232}, false, 1210},
	} {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			r := newRig(t, net, func(c *vtep.LinkConfig) { c.Remote = tt.remote })
			r.host.SetPathMTU(tt.remote, tt.path)
			sent, got := r.out(tt.build(t)), r.got()
			if goes := len(sent) == 1; goes != tt.goes || r.stats(t, r.link).Fragmented != uint64(len(sent)) {
				t.Errorf("%s: %d packets were sent", tt.name, len(sent))
			}
			told := uint16(0)
			if len(got) > 0 {
				in := encap.ParseInner(got[0].Data)
				told = binary.BigEndian.Uint16(got[0].Data[in.L4+6:])
			}
			if told != tt.told || len(got) > 1 {
				t.Errorf("%s: %d answers, MTU %d; want %d", tt.name, len(got), told, tt.told)
			}
			time.Sleep(11 * time.Second) // the sweep
			if i, err := r.Link(r.link); err != nil || i.MTU != 1500-encap.Overhead(tt.remote.Is6()) {
				t.Errorf("%s: the link's MTU is %d, %v", tt.name, i.MTU, err)
			}
		})
	}
}

// TestNarrowPathOfATrunk: nor does it count for the VLANs of a trunk port.
func TestNarrowPathOfATrunk(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		n := newNode(t, net, addrA)
		must(t, n.AddTrunk(vtep.TrunkConfig{Name: "trunk0"}))
		for i, remote := range []netip.Addr{addrB, addrC} {
			must(t, n.AddLink(vtep.LinkConfig{Name: []string{"vxlan0", "vxlan1"}[i], VNI: encap.VNI(i + 1), Remote: remote, Trunk: "trunk0", VLAN: uint16(i + 1)}))
		}
		n.host.SetPathMTU(addrB, 552)
		time.Sleep(11 * time.Second)
		if got := n.Trunks()[0].MTU; got != 1450 {
			t.Errorf("the trunk's MTU is %d, want 1450", got)
		}
		n.host.SetMTU(1400)
		time.Sleep(11 * time.Second)
		if got := n.Trunks()[0].MTU; got != 1350 {
			t.Errorf("after the routes' MTU fell to 1400 the trunk's is %d, want 1350", got)
		}
	})
}

// TestAnswersAreLimited: so many a second of a link, and those beyond are counted.
func TestAnswersAreLimited(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		const most = 100
		for second := uint64(1); second <= 2; second++ {
			for range most + 20 {
				r.out(packet{payload: 1450}.build(t))
			}
			if got := len(r.got()); got != most {
				t.Errorf("second %d: %d answers, want %d", second, got, most)
			}
			if s := r.stats(t, r.link); s.TooBigSent != second*most || s.TooBigWithheld != second*20 {
				t.Errorf("second %d: sent %d, withheld %d", second, s.TooBigSent, s.TooBigWithheld)
			}
			time.Sleep(time.Second)
		}
	})
}

// TestLinkLocal: packets to link-local remotes, configured and learned, say the device
// that they leave by; others do not, and the transmitter is bound to none.
func TestLinkLocal(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		b, c := netip.MustParseAddr("fe80::b"), netip.MustParseAddr("fe80::c")
		r := newRig(t, net, func(l *vtep.LinkConfig) { acceptAny(l); l.Remote, l.Dev = b, "eth0" })
		for _, tx := range r.host.Transmitters() {
			if tx.Device != "" {
				t.Errorf("transmitter %+v", tx)
			}
		}
		r.in(c, frame(macA, macC, "x"))
		r.in(addrB6, frame(macA, macB, "x"))
		for mac, want := range map[encap.MAC]netip.Addr{bcast: b.WithZone("1"), macC: c.WithZone("1"), macB: addrB6.WithZone("0")} {
			sent := r.out(frame(mac, macA, "x"))
			if len(sent) != 1 || sent[0].Dst.Netip().WithZone(strconv.Itoa(int(sent[0].Zone))) != want {
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
			zone := uint32(len(step.dev) / len("eth0"))
			if sent := r.out(frame(bcast, macA, "x")); len(sent) != 1 || sent[0].Zone != zone || sent[0].Dst.Netip() != step.remote {
				t.Errorf("%+v: sent %+v", step, sent)
			}
		}
	})
}
