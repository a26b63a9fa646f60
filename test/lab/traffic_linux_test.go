package lab_test

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/gopacket/pcapgo"

	"github.com/uvtep/uvtep/test/lab"
)

func TestPing(t *testing.T) {
	l := lab.ForTest(t)
	w := pair(t, l, lab.WireOptions{})
	for _, c := range []struct {
		src, dst string
		size     int
		received int
	}{
		{"", "192.0.2.2", 56, 5},
		{"192.0.2.1", "192.0.2.2", 8000, 5}, // fragments
		{"2001:db8:1::1", "2001:db8:1::2", 0, 5},
		{"", "2001:db8:1::2", 8000, 5},
		{"", "127.0.0.1", 56, 5},
	} {
		var src netip.Addr
		if c.src != "" {
			src = addr(c.src)
		}
		r := must(lab.Ping(w.HostA, src, addr(c.dst), c.size, 5))(t)
		if r.Sent != 5 || r.Received != c.received || r.Corrupt+r.Duplicates != 0 || len(r.RTT) != c.received || r.Median() <= 0 {
			t.Errorf("%s -> %s, %d bytes: %+v", c.src, c.dst, c.size, r)
		}
	}
	ll := must(w.HostB.LinkLocal(w.B))(t)
	mine := must(w.HostA.Link(w.A))(t).Attrs().Index
	r := must(w.HostA.Ping(lab.PingConfig{Dst: ll.WithZone(itoa(mine)), Size: 56}))(t)
	if r.Received != 1 {
		t.Errorf("link-local %s: %+v", ll, r)
	}
	r = must(w.HostA.Ping(lab.PingConfig{Dst: addr("192.0.2.9"), Timeout: 20 * time.Millisecond, Count: 2}))(t)
	if r.Lost() != 2 {
		t.Errorf("nobody is there, but: %+v", r)
	}
	r = must(w.HostA.Ping(lab.PingConfig{Dst: addr("192.0.2.2"), Size: 1473, Mode: lab.PingDontFrag}))(t)
	if r.Received != 0 || r.SendError == nil {
		t.Errorf("1473 bytes without fragmentation on MTU 1500: %+v", r)
	}
}

// TestPingTooBig sends through a router to a wire of a smaller MTU: its errors must be seen, each time.
func TestPingTooBig(t *testing.T) {
	l := lab.ForTest(t)
	a, r, b := must(l.Host("a"))(t), must(l.Host("r"))(t), must(l.Host("b"))(t)
	left, right := must(l.Wire(a, r, lab.WireOptions{}))(t), must(l.Wire(r, b, lab.WireOptions{MTU: 1400}))(t)
	check(t,
		a.AddAddr(left.A, prefix("192.0.2.1/25"), prefix("2001:db8:1::1/64")),
		r.AddAddr(left.B, prefix("192.0.2.2/25"), prefix("2001:db8:1::2/64")),
		r.AddAddr(right.A, prefix("192.0.2.129/25"), prefix("2001:db8:3::1/64")),
		b.AddAddr(right.B, prefix("192.0.2.130/25"), prefix("2001:db8:3::2/64")),
		r.Sysctl("net.ipv4.ip_forward", "1"), r.Sysctl("net.ipv6.conf.all.forwarding", "1"),
		a.AddRoute(lab.Route{Dst: prefix("0.0.0.0/0"), Via: addr("192.0.2.2")}),
		a.AddRoute(lab.Route{Dst: prefix("::/0"), Via: addr("2001:db8:1::2")}),
		b.AddRoute(lab.Route{Dst: prefix("0.0.0.0/0"), Via: addr("192.0.2.129")}),
		b.AddRoute(lab.Route{Dst: prefix("::/0"), Via: addr("2001:db8:3::1")}))
	for _, dst := range []netip.Addr{addr("192.0.2.130"), addr("2001:db8:3::2")} {
		check(t, a.MustReach(dst, 56, 5*time.Second))
		res := must(a.Ping(lab.PingConfig{Dst: dst, Size: 1420, Count: 3, Mode: lab.PingDontFrag}))(t)
		if res.TooBig != 3 || res.NextHopMTU != 1400 || res.Received != 0 {
			t.Errorf("%s: %+v, want 3 errors with MTU 1400", dst, res)
		}
	}
	res := must(a.Ping(lab.PingConfig{Dst: addr("192.0.2.130"), Size: 1420, Mode: lab.PingMayFrag}))(t)
	if res.Received != 1 || res.TooBig != 0 {
		t.Errorf("with fragmentation allowed: %+v", res)
	}
	check(t, a.DelRoute(lab.Route{Dst: prefix("0.0.0.0/0"), Via: addr("192.0.2.2")}))
	if res := must(lab.Ping(a, netip.Addr{}, addr("192.0.2.130"), 56, 1))(t); res.SendError == nil {
		t.Errorf("without a route: %+v", res)
	}
}

func TestTCP(t *testing.T) {
	l := lab.ForTest(t)
	w := pair(t, l, lab.WireOptions{})
	r := must(lab.TCP(t.Context(), lab.TCPConfig{From: w.HostA, To: w.HostB, Src: addr("192.0.2.1"), Dst: addr("192.0.2.2"),
		Streams: 3, Bytes: 1_000_001}))(t)
	if r.Bytes != 3_000_003 || len(r.SHA256) != 3 || r.SHA256[0] == r.SHA256[1] || r.LocalMSS[2] != 1448 {
		t.Errorf("%+v", r)
	}
	r = must(lab.TCP(t.Context(), lab.TCPConfig{From: w.HostA, To: w.HostB, Dst: addr("2001:db8:1::2"),
		Duration: 50 * time.Millisecond, NoHash: true}))(t)
	if r.Bytes == 0 || r.Elapsed < 50*time.Millisecond || r.SHA256 != nil {
		t.Errorf("%+v", r)
	}
	check(t, w.HostB.SetUp(w.B, false))
	_, err := lab.TCP(t.Context(), lab.TCPConfig{From: w.HostA, To: w.HostB, Dst: addr("192.0.2.2"), Bytes: 1,
		Timeout: 50 * time.Millisecond})
	if err == nil {
		t.Error("a transfer over a wire that is down succeeded")
	}
}

func TestUDPLoss(t *testing.T) {
	l := lab.ForTest(t)
	w := pair(t, l, lab.WireOptions{})
	r := must(lab.UDPExchange(w.HostA, w.HostB, addr("192.0.2.2"), 100, 300))(t)
	if !r.Clean() || r.Forth.Received != 300 || r.Back.Received != 300 {
		t.Fatalf("forth %v; back %v", r.Forth, r.Back)
	}
	// The far end's device refuses frames above its MTU: everything is lost, and that is not an error.
	check(t, w.HostB.SetMTU(w.B, 1000))
	r = must(lab.UDP(t.Context(), lab.UDPConfig{From: w.HostA, To: w.HostB, Dst: addr("192.0.2.2"), Size: 1400, Count: 40, OneWay: true}))(t)
	if r.Forth.Sent != 40 || r.Forth.Lost() != 40 || r.Back.Sent != 0 {
		t.Errorf("%v", r.Forth)
	}
}

func TestPackets(t *testing.T) {
	l := lab.ForTest(t)
	w := pair(t, l, lab.WireOptions{})
	send, receive := must(w.HostA.OpenPacket(w.A))(t), must(w.HostB.OpenPacket(w.B))(t)
	capture := must(w.HostB.Capture(w.B, 64))(t)
	frame := bytes.Join([][]byte{
		must(w.HostB.MAC(w.B))(t), must(w.HostA.MAC(w.A))(t),
		{0x81, 0, 0x20, 0x64}, // VLAN 100, priority 1
		{0x88, 0xb5}, bytes.Repeat([]byte("uvtep"), 20),
	}, nil)
	check(t, send.Send(frame))
	same := func(p lab.Packet) bool { return bytes.Equal(p.Data, frame) }
	p, err := receive.WaitFor(same, 5*time.Second)
	if err != nil {
		t.Fatal("the tagged frame did not arrive as it was sent:", err)
	}
	if p.Length != len(frame) || p.Outgoing || p.Partial || p.EtherType() != 0x8100 || time.Since(p.Time) > time.Minute {
		t.Errorf("%+v", p)
	}
	if _, err := receive.WaitFor(same, 20*time.Millisecond); !errors.Is(err, lab.ErrTimeout) {
		t.Errorf("a second copy: %v, want ErrTimeout", err)
	}
	check(t, send.Send(frame))
	packets := must(capture.Stop())(t)
	cut := 0
	for _, p := range packets {
		if bytes.Equal(p.Data, frame[:64]) && p.Length == len(frame) {
			cut++
		}
	}
	if cut != 2 {
		t.Errorf("the capture holds %d of 2 frames", cut)
	}
	if n := must(receive.Drain())(t); n < 1 {
		t.Error("the second frame was not there to drain")
	}
	check(t, w.HostB.SetUp(w.B, false), w.HostB.SetUp(w.B, true), lab.Eventually(5*time.Second, func() error {
		err := send.Send(frame)
		if err == nil {
			_, err = receive.WaitFor(same, 100*time.Millisecond)
		}
		return err
	}))
	readBack(t, capture, packets)
}

// readBack reads a written file with another implementation of the format.
func readBack(t *testing.T, c *lab.Capture, want []lab.Packet) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.pcap")
	check(t, c.WriteFile(path))
	f := must(os.Open(path))(t)
	defer f.Close()
	r := must(pcapgo.NewReader(f))(t)
	for i, p := range want {
		data, info, err := r.ReadPacketData()
		if err != nil || !bytes.Equal(data, p.Data) || info.Length != p.Length || !info.Timestamp.Equal(p.Time) {
			t.Errorf("packet %d: %+v, %v", i, info, err)
		}
	}
	if r.Snaplen() != 64 || r.LinkType() != 1 {
		t.Errorf("snaplen %d, link type %d", r.Snaplen(), r.LinkType())
	}
}
