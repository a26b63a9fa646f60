package vtep_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// running starts a VTEP that logs to what it returns.
func running(t *testing.T, c vtep.Config) (*vtep.VTEP, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	c.Log = slog.New(slog.NewTextHandler(&out, nil))
	v := vtep.New(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-done)
	})
	return v, &out
}

// pass lets seconds of the bubble's clock go by, and what they bring be done.
func pass(seconds int) {
	time.Sleep(time.Duration(seconds) * time.Second)
	synctest.Wait()
}

// TestNoOffload: each switch reaches what it is about, and that alone.
func TestNoOffload(t *testing.T) {
	const all = tap.OffloadChecksum | tap.OffloadTSO | tap.OffloadUSO
	for _, off := range []vtep.NoOffload{{}, {TAP: true}, {UDPGSO: true}, {UDPGRO: true}, {TAP: true, UDPGSO: true, UDPGRO: true}} {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			var device tap.Config
			h := &hooks{Host: net.Host(addrA)}
			h.let(rules{device: func(c tap.Config) error {
				device = c
				return nil
			}})
			v, _ := running(t, vtep.Config{Host: h, NoOffload: off})
			must(t, v.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 42, Group: group, Dev: "eth0", DF: vtep.DFInherit}))
			must(t, v.SetLinkUp("vxlan0", true))
			read, noWrite := all, tap.Offload(0)
			if off.TAP {
				read, noWrite = tap.OffloadChecksum, tap.OffloadTSO|tap.OffloadUSO
			}
			if device.Offload != read || device.NoWriteOffload != noWrite {
				t.Errorf("%+v: the TAP is to offload %v, and not to write %v", off, device.Offload, device.NoWriteOffload)
			}
			if n := len(h.Transmitters()); n != 2 {
				t.Errorf("%d transmitters, want one a lane", n)
			}
			for _, c := range h.Transmitters() {
				if c.NoSegment != off.UDPGSO {
					t.Errorf("%+v: transmitter %+v", off, c)
				}
			}
			if n := len(h.Receivers()); n != 2 {
				t.Errorf("%d receivers, want one and the group's", n)
			}
			for _, c := range h.Receivers() {
				if c.NoGRO != off.UDPGRO {
					t.Errorf("%+v: receiver %+v", off, c)
				}
			}
		})
	}
}

// TestRefusedOffload: what the kernel comes to refuse is logged once, told by
// Link, and a port that takes no superframe any more is given none.
func TestRefusedOffload(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		h := &offloadHost{Host: net.Host(addrA)}
		v, out := running(t, vtep.Config{Host: h})
		must(t, v.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB}))
		must(t, v.SetLinkUp("vxlan0", true))
		n := &node{VTEP: v, host: h.Host, net: net, addr: addrA}
		hear := func() {
			t.Helper()
			h.supers.Store(0)
			f := packet{payload: 500}.build(t)
			for range 10 {
				n.hear(addrB, pack(42, f))
			}
			synctest.Wait()
		}
		info, err := v.Link("vxlan0")
		must(t, err)
		if o := info.Offloads; o.UDPGSO.Segments != 128 || !o.UDPGRO.GRO || o.TAP.Write != tap.OffloadTSO|tap.OffloadUSO || o.TAP.Reason() != "" {
			t.Errorf("offloads %+v", o)
		}
		pass(3)
		if out.Len() != 0 {
			t.Errorf("logged without a cause: %s", out)
		}
		hear()
		if h.supers.Load() == 0 {
			t.Error("no superframe was written")
		}
		h.refuse.Store(true)
		pass(5)
		hear()
		if n := h.supers.Load(); n != 0 {
			t.Errorf("%d superframes were written to a port that refuses them", n)
		}
		for _, want := range []string{
			`msg="TAP offload falls back" link=vxlan0 vni=42 read=checksum,tso,uso write=none reason="the kernel refused tso,uso"`,
			`msg="UDP segmentation falls back"`,
		} {
			if n := strings.Count(out.String(), want); n != 1 {
				t.Errorf("%d lines with %s, want one:\n%s", n, want, out)
			}
		}
		if n := strings.Count(out.String(), "\n"); n != 2 {
			t.Errorf("%d lines, want 2:\n%s", n, out)
		}
		info, err = v.Link("vxlan0")
		must(t, err)
		if o := info.Offloads; o.UDPGSO.Segments != 1 || o.UDPGSO.Reason == "" || o.TAP.Write != 0 || o.TAP.Reason() == "" {
			t.Errorf("offloads %+v", o)
		}
	})
}

// tuner remembers what it was asked.
type tuner struct {
	asked []int
	err   error
}

func (u *tuner) Tune(index int) (string, []string, error) {
	u.asked = append(u.asked, index)
	return "eth0", []string{"gro on"}, u.err
}

// TestTune: each underlay device is tuned once, as soon as it is known, with a
// line for what was done, and one for what was not.
func TestTune(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		h := &hooks{Host: net.Host(addrA)}
		u := &tuner{err: errors.New("it is fixed")}
		v, out := running(t, vtep.Config{Host: h, Tuner: u})
		must(t, v.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 42}))
		if len(u.asked) != 0 || !strings.Contains(out.String(), "no underlay device was tuned") {
			t.Errorf("a link without a device: asked for %v, logged %s", u.asked, out)
		}
		h.let(rules{route: func(netip.Addr) error { return errRefused }})
		must(t, v.AddLink(vtep.LinkConfig{Name: "vxlan1", VNI: 43, Remote: addrB}))
		pass(2)
		if len(u.asked) != 0 {
			t.Errorf("tuned %v without a route", u.asked)
		}
		h.let(rules{})
		pass(2)
		must(t, v.AddLink(vtep.LinkConfig{Name: "vxlan2", VNI: 44, Remote: addrC, Dev: "eth0"}))
		pass(2)
		if len(u.asked) != 1 || u.asked[0] != 1 {
			t.Errorf("tuned %v, want eth0 once", u.asked)
		}
		for _, want := range []string{`msg="tuned the underlay device" link=vxlan1 vni=43 dev=eth0 set="gro on"`, `dev=eth0 err="it is fixed"`, "no underlay device was tuned"} {
			if n := strings.Count(out.String(), want); n != 1 {
				t.Errorf("%d lines with %s, want one:\n%s", n, want, out)
			}
		}
	})
}

// TestSuperframeRefusedByTransmitter: what a port gave as a superframe leaves as
// the datagrams that it stands for; one that cannot be cut is refused.
func TestSuperframeRefusedByTransmitter(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		h := &offloadHost{Host: net.Host(addrA)}
		n := startNode(t, net, h.Host, h, addrA)
		d := n.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB})
		f := partial(t, packet{tcp: true, payload: 3000}.build(t))
		in := encap.ParseInner(f.Data)
		f.Offload = encap.Offload{Kind: encap.GSOTCPv4, Csum: encap.CsumPartial, SegSize: 1000, CsumStart: in.L4, CsumOffset: 16}
		d.Inject(f)
		f.Offload.Kind = encap.GSOTCPv6 // contradicts the frame
		d.Inject(f)
		s := n.stats(t, "vxlan0")
		if s.TxPackets != 3 || s.Drops[forward.TxRefused] != 1 {
			t.Errorf("sent %d, drops %v", s.TxPackets, s.Drops)
		}
	})
}
