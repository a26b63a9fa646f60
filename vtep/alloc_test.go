package vtep

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep/forward"
)

// sink is a host whose ports and sockets take everything, give nothing and
// allocate nothing.
type sink struct{ closed chan struct{} }

func (s sink) OpenPort(tap.Config) (Port, Netdev, error)             { return s, s, nil }
func (s sink) Listen(underlay.ReceiverConfig) (Receiver, int, error) { return sinkReceiver(s), 1, nil }
func (s sink) OpenTransmitter(c underlay.TransmitterConfig) (Transmitter, []uint16, error) {
	return sinkSender{c.DF}, []uint16{50000}, nil
}
func (s sink) RouteTo(netip.Addr, string) (underlay.Route, error) {
	return underlay.Route{MTU: 1500}, nil
}
func (s sink) Interface(string) (underlay.Interface, error) {
	return underlay.Interface{Index: 1, MTU: 1500}, nil
}

func (s sink) Origins(map[uint32]underlay.Device) (underlay.Origins, error) {
	return underlay.Origins{Devices: map[uint32]underlay.Device{
		1: {Origin: encap.OriginWire, Martian: true}, 2: {Origin: encap.OriginHere}, 3: {Origin: encap.OriginMixed},
	}, Own: map[encap.Addr]uint32{encap.AddrFrom(netip.MustParseAddr("192.0.2.1")): 1}}, nil
}

func (s sink) Queues() int                   { return 1 }
func (s sink) Offloads() tap.Offloads        { return tap.Offloads{Write: tap.OffloadTSO} }
func (s sink) Losses() (encap.Losses, error) { return encap.Losses{}, nil }
func (s sink) ReadBatch(int, []encap.Frame) (int, error) {
	<-s.closed
	return 0, os.ErrClosed
}
func (s sink) WriteBatch(_ int, f []encap.Frame) (int, error) { return len(f), nil }
func (s sink) Close() error                                   { return nil }
func (s sink) State() (tap.State, error) {
	return tap.State{Name: "vxlan0", Index: 1, MTU: 1450, Up: true, MAC: encap.MAC{2, 0xff}}, nil
}
func (s sink) Set(tap.Change) error { return nil }
func (s sink) Neighbours() ([]tap.Neighbour, error) {
	return []tap.Neighbour{
		{IP: netip.MustParseAddr("198.51.100.1"), MAC: there},
		{IP: netip.MustParseAddr("2001:db8:2::1"), MAC: there},
	}, nil
}
func (s sink) Watch(ctx context.Context, _ func(tap.State)) error {
	<-ctx.Done()
	return nil
}

type sinkReceiver sink

func (r sinkReceiver) Offloads() underlay.Offloads { return underlay.Offloads{} }
func (r sinkReceiver) Losses() encap.Losses        { return encap.Losses{} }
func (r sinkReceiver) ReadBatch(int, []encap.Datagram) (int, error) {
	<-r.closed
	return 0, net.ErrClosed
}
func (r sinkReceiver) Drain() error         { return nil }
func (r sinkReceiver) ReportTTL(bool) error { return nil }
func (r sinkReceiver) Close() error         { return nil }

type sinkSender struct{ df underlay.DFMode }

// refused is the length of a frame that goes in fragments only.
const refused = 400

func (t sinkSender) WriteBatch(p []encap.Packet) error {
	for i := range p {
		p[i].Result = encap.SendOK
		if n := len(p[i].Frame.Data); n > 1450 || n == refused && t.df == underlay.DFSet {
			p[i].Result = encap.SendTooBig
		}
	}
	return nil
}
func (sinkSender) PathMTU(encap.Addr) (mtu int, ok bool) { return 1500, true }
func (sinkSender) TakeErrors() []underlay.ICMPError      { return nil }
func (sinkSender) Offloads() underlay.Offloads           { return underlay.Offloads{} }
func (sinkSender) Close() error                          { return nil }

// ipFrame is a UDP packet over IPv4 or IPv6 from one MAC to another.
func ipFrame(dst, src encap.MAC, v6 bool, size int) []byte {
	b := make([]byte, max(size, 80))
	copy(b, dst[:])
	copy(b[6:], src[:])
	n := len(b) - encap.EthernetHeaderLen
	if v6 {
		copy(b[12:], []byte{0x86, 0xdd, 0x60, 0, 0, 0, byte((n - 40) >> 8), byte(n - 40), 17, 64, 0x20, 1})
		b[38], b[54] = 0x20, 0x40
		return b
	}
	copy(b[12:], []byte{8, 0, 0x45, 0, byte(n >> 8), byte(n), 0, 0, 0x40, 0, 64, 17, 0, 0, 198, 51, 100, 2, 198, 51, 100, 1})
	sum := ^encap.Sum(b[14:34])
	b[24], b[25] = byte(sum>>8), byte(sum)
	return b
}

// TestNoAllocs: neither direction allocates, whatever way a frame takes.
func TestNoAllocs(t *testing.T) {
	for _, tt := range []struct {
		name          string
		local, remote netip.Addr
		inner6        bool
	}{
		{"IPv4", netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), false},
		{"IPv6", netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := sink{make(chan struct{})}
			v := New(Config{Host: s, Log: slog.New(slog.DiscardHandler), Workers: 1})
			defer func() {
				close(s.closed)
				_ = v.Close()
			}()
			prefixes := []netip.Prefix{netip.PrefixFrom(tt.remote, tt.remote.BitLen())}
			if err := v.AddLink(LinkConfig{Name: "vxlan0", VNI: 42, Local: tt.local, Remote: tt.remote}); err != nil {
				t.Fatal(err)
			}
			for n := range byte(20) {
				a := tt.remote.As16()
				a[15] += n + 1
				if err := v.FDBAppend(FDBEntry{Link: "vxlan0", Remote: Remote{Addr: netip.AddrFrom16(a).Unmap()}}); err != nil {
					t.Fatal(err)
				}
			}
			l := v.links["vxlan0"]
			allocsFromPort(t, l, tt.inner6)
			allocsFromUnderlay(t, l, tt.remote, tt.inner6)
			allocsWithOptions(t, l, tt.inner6)
			if err := v.UpdateLink("vxlan0", func(c *LinkConfig) error {
				c.Accept = Accept{AcceptPrefixes, prefixes}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			allocsFromUnderlay(t, l, tt.remote, tt.inner6)
			if s := forward.Sum(l.Shards); s.RxPackets == 0 || s.TxPackets == 0 || s.TooBigSent == 0 || s.Fragmented == 0 || s.Moves == 0 || s.Drops[forward.TxTooShort] == 0 || s.Drops[forward.RxNotPeer] == 0 ||
				s.Drops[forward.RxECN] == 0 || s.Drops[forward.RxStaticMAC] == 0 {
				t.Errorf("not every way was taken: %+v", s)
			}
		})
	}
}

var (
	here   = encap.MAC{2, 1}
	there  = encap.MAC{2, 2}
	pinned = encap.MAC{2, 3}
)

// noAllocs calls fn with a clock that goes on.
func noAllocs(t *testing.T, what string, fn func(now fdb.Tick)) {
	t.Helper()
	now := fdb.Tick(1)
	if n := testing.AllocsPerRun(200, func() { now++; fn(now) }); n != 0 {
		t.Errorf("%s: %v allocations, want 0", what, n)
	}
}

func allocsFromPort(t *testing.T, l *link, v6 bool) {
	t.Helper()
	if err := l.vtep.FDBAdd(FDBEntry{Link: "vxlan0", MAC: there, Remote: Remote{Addr: l.cfg.Remote}, State: fdb.Permanent}); err != nil {
		t.Fatal(err)
	}
	w := forward.NewPortWorker(l.Link, 0)
	partial := encap.Frame{Data: ipFrame(there, here, v6, 200)}
	in := encap.ParseInner(partial.Data)
	partial.Offload = encap.Offload{Csum: encap.CsumPartial, CsumStart: in.L4, CsumOffset: 6}
	for what, f := range map[string]encap.Frame{
		"unicast":   {Data: ipFrame(there, here, v6, 200)},
		"miss":      {Data: ipFrame(encap.MAC{2, 9}, here, v6, 200)},
		"broadcast": {Data: ipFrame(encap.MAC{255, 255, 255, 255, 255, 255}, here, v6, 200)},
		"checksum":  partial,
		"no IP":     {Data: append(ipFrame(there, here, v6, 80)[:12], 8, 6, 0, 1)},
		"too short": {Data: make([]byte, 13)},
		"too big":   {Data: ipFrame(there, here, v6, 1500)},
		"refused":   {Data: ipFrame(there, here, v6, refused)},
	} {
		frames := []encap.Frame{f, f, f}
		noAllocs(t, "from the port, "+what, func(now fdb.Tick) {
			frames[1].Offload = f.Offload
			w.Forward(frames, now)
		})
	}
}

func allocsFromUnderlay(t *testing.T, l *link, remote netip.Addr, v6 bool) {
	t.Helper()
	ep := l.endpoints[0]
	stranger := netip.MustParseAddr("203.0.113.1")
	if err := l.vtep.FDBReplace(FDBEntry{Link: "vxlan0", MAC: pinned, Remote: Remote{Addr: remote.Next()}, State: fdb.Static}); err != nil {
		t.Fatal(err)
	}
	w := forward.NewNetWorker(ep.Endpoint, 0)
	for what, d := range map[string]encap.Datagram{
		"refresh":     {Payload: ipFrame(here, there, v6, 200), Src: encap.AddrFrom(remote)},
		"own packet":  {Payload: ipFrame(here, there, v6, 200), Src: encap.AddrFrom(l.cfg.Local)},
		"no peer":     {Payload: ipFrame(here, there, v6, 200), Src: encap.AddrFrom(stranger)},
		"pinned":      {Payload: ipFrame(here, pinned, v6, 200), Src: encap.AddrFrom(remote)},
		"ECN dropped": {Payload: ipFrame(here, there, v6, 200), Src: encap.AddrFrom(remote), TOS: 3},
		"superframe":  {Payload: ipFrame(here, there, v6, 30000), Src: encap.AddrFrom(remote)},
		"too short":   {Payload: make([]byte, 5), Src: encap.AddrFrom(remote)},
	} {
		h := encap.HeaderFor(42)
		d.Payload = append(h[:len(h):len(h)], d.Payload...)
		batch := []encap.Datagram{d, d, d}
		noAllocs(t, "from the underlay, "+what, func(now fdb.Tick) {
			w.Forward(batch, now)
		})
	}
	// Learning a MAC anew takes memory in the table, moving one does not.
	peers := [2]encap.Addr{encap.AddrFrom(remote), encap.AddrFrom(remote.Next())}
	h := encap.HeaderFor(42)
	d := []encap.Datagram{{Payload: append(h[:len(h):len(h)], ipFrame(here, encap.MAC{2, 4}, v6, 200)...)}}
	for _, d[0].Src = range peers {
		w.Forward(d, 1)
	}
	noAllocs(t, "from the underlay, move", func(now fdb.Tick) {
		d[0].Src = peers[now%2]
		w.Forward(d, now)
	})
}

// allocsWithOptions: nor do the options that are off by default allocate.
func allocsWithOptions(t *testing.T, l *link, v6 bool) {
	t.Helper()
	before := l.cfg
	set := func(edit func(*LinkConfig)) {
		t.Helper()
		if err := l.vtep.UpdateLink("vxlan0", func(c *LinkConfig) error { edit(c); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	set(func(c *LinkConfig) {
		c.Proxy, c.ProxyLearn, c.L2Miss, c.L3Miss, c.GBP, c.PolicyID, c.ClampMSS, c.BUMLimit = true, true, true, true, true, 7, true, 2
		c.LearnLocal = true
		c.FlowLabelInherit = v6
	})
	w := forward.NewPortWorker(l.Link, 0)
	request := append(bytes.Repeat([]byte{0xff}, 6), here[:]...)
	request = append(request, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 1, 0, 0, 0, 0, 198, 51, 100, 2, 0, 0, 0, 0, 0, 0, 198, 51, 100, 1)
	unknown := bytes.Clone(request)
	unknown[len(unknown)-1] = 9
	for what, f := range map[string][]byte{
		"answered": request, "unknown neighbour": unknown, "unicast": ipFrame(there, here, v6, 200),
		"flooded beyond the limit": ipFrame(encap.MAC{255, 255, 255, 255, 255, 255}, here, v6, 200),
	} {
		frames := []encap.Frame{{Data: f}, {Data: f}, {Data: f}}
		noAllocs(t, "from the port, "+what, func(now fdb.Tick) { w.Forward(frames, now) })
	}
	if s := forward.Sum(l.Shards); s.Answered == 0 || s.Drops[forward.TxNoNeighbour] == 0 || s.Drops[forward.TxBUMLimit] == 0 {
		t.Errorf("not every way was taken: %+v", s)
	}
	set(func(c *LinkConfig) { *c = before })
}

// TestNoAllocsBypass: nor does the way from one link to another allocate.
func TestNoAllocsBypass(t *testing.T) {
	s := ownSink{sink{make(chan struct{})}}
	v := New(Config{Host: s, Log: slog.New(slog.DiscardHandler), Workers: 1})
	defer func() {
		close(s.closed)
		_ = v.Close()
	}()
	own := netip.MustParseAddr("192.0.2.1")
	for n, name := range []string{"vxlan0", "vxlan1"} {
		if err := v.AddLink(LinkConfig{Name: name, VNI: encap.VNI(42 + n), Remote: own}); err != nil {
			t.Fatal(err)
		}
	}
	for n, name := range []string{"vxlan1", "vxlan0"} {
		vni := encap.VNI(42 + n)
		if err := v.FDBAppend(FDBEntry{Link: name, Remote: Remote{Addr: own, VNI: &vni}, State: fdb.Permanent}); err != nil {
			t.Fatal(err)
		}
		if err := v.FDBDel(name, encap.MAC{}, &Remote{Addr: own}); err != nil {
			t.Fatal(err)
		}
	}
	l := v.links["vxlan0"]
	w := forward.NewPortWorker(l.Link, 0)
	f := encap.Frame{Data: ipFrame(there, here, false, 200)}
	w.Forward([]encap.Frame{f}, 1) // learns
	noAllocs(t, "to another link", func(now fdb.Tick) { w.Forward([]encap.Frame{f, f}, now) })
	if s := forward.Sum(v.links["vxlan1"].Shards); s.RxPackets < 400 {
		t.Errorf("the other link received %+v", s)
	}
}

// ownSink is a sink all of whose remotes are this host.
type ownSink struct{ sink }

func (s ownSink) RouteTo(netip.Addr, string) (underlay.Route, error) {
	return underlay.Route{MTU: 1500, Local: true}, nil
}
