package tap

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
)

// The stack takes a TCP superframe whole.
func TestWriteTCPSuperframe(t *testing.T) {
	h := onHost(t)
	d := openHost(t, h, Config{}, hostIP, peerIP, hostMAC, peerMAC)
	s := packets(t, h, d)
	super := tcpSuperframe()
	if n, err := d.WriteBatch(0, []encap.Frame{super}); n != 1 || err != nil {
		t.Fatalf("WriteBatch: %d, %v", n, err)
	}
	seen(t, s, super.Data)
}

// A UDP superframe arrives as the datagrams that it stands for.
func TestWriteUDPSuperframe(t *testing.T) {
	h := onHost(t)
	d := openHost(t, h, Config{}, hostIP, peerIP, hostMAC, peerMAC)
	l, port := listenUDP(t)
	payload := make([]byte, 3*1000+10)
	for i := range payload {
		payload[i] = byte(i / 1000)
	}
	o := partialUDP()
	o.Kind, o.SegSize = encap.GSOUDP, 1000
	if n, err := d.WriteBatch(0, []encap.Frame{{Data: udpFrame(port, payload), Offload: o}}); n != 1 || err != nil {
		t.Fatalf("WriteBatch: %d, %v", n, err)
	}
	for i := range 4 {
		want := string(payload[1000*i : min(1000*(i+1), len(payload))])
		if got := receive(t, l); got != want {
			t.Errorf("datagram %d: %d bytes, want %d", i, len(got), len(want))
		}
	}
}

// With USO on, one sendmsg with UDP_SEGMENT is one frame.
func TestReadUDPSuperframe(t *testing.T) {
	h := onHost(t)
	d := openHost(t, h, Config{Offload: OffloadUSO}, hostIP, peerIP, hostMAC, peerMAC)
	if d.Offload()&OffloadUSO == 0 {
		t.Skip("this kernel has no USO on TAPs (before 6.2)")
	}
	if d.Offload() != OffloadChecksum|OffloadUSO {
		t.Errorf("offloads %v, want checksum,uso", d.Offload())
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, 1000); err != nil {
		t.Fatal(err)
	}
	payload := bytes.Repeat([]byte("0123456789"), 2500)
	if err := unix.Sendto(fd, payload, 0, &unix.SockaddrInet4{Port: 9, Addr: peerIP.As4()}); err != nil {
		t.Fatal(err)
	}
	f := readOne(t, d, isIPv4)
	want := partialUDP()
	want.Kind, want.SegSize = encap.GSOUDP, 1000
	if f.Offload != want || !bytes.Equal(f.Data[42:], payload) {
		t.Errorf("%d bytes, %+v; want one superframe of %d bytes, %+v", len(f.Data), f.Offload, 42+len(payload), want)
	}
}

// A TCP connection between two namespaces, each with a TAP, the wire between
// them being a copy loop here: superframes go from one kernel to the other
// whole, in both directions.
func TestTCPThroughSuperframes(t *testing.T) {
	for _, tt := range []struct {
		name       string
		host, peer netip.Addr
		kind       encap.GSOKind
	}{
		{"IPv4", hostIP, peerIP, encap.GSOTCPv4},
		{"IPv6", netip.MustParseAddr("2001:db8:2::1"), netip.MustParseAddr("2001:db8:2::2"), encap.GSOTCPv6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := onHost(t)
			c := Config{Offload: OffloadTSO}
			ipv6(t, h, "default", true)
			a := openHost(t, h, c, tt.host, tt.peer, hostMAC, peerMAC)
			var (
				b *Device
				l net.Listener
			)
			other := newHost(t, h.Lab(), "other")
			ipv6(t, other, "default", true)
			check(t, other.Do(func() (err error) {
				b = openHost(t, other, c, tt.peer, tt.host, peerMAC, hostMAC)
				l, err = net.Listen("tcp", netip.AddrPortFrom(tt.peer, 5001).String())
				return err
			}))
			defer l.Close()
			w := newWire(tt.kind)
			w.join(t, a, b)
			w.join(t, b, a)
			transfer(t, l)
			_ = a.Close()
			_ = b.Close()
			w.wg.Wait()
			if w.super.Load() == 0 || w.longest.Load() < 16<<10 {
				t.Errorf("%d superframes, the longest of %d bytes: TSO is not in use", w.super.Load(), w.longest.Load())
			}
			t.Logf("%d superframes, the longest of %d bytes", w.super.Load(), w.longest.Load())
		})
	}
}

// wire copies frames between two devices and counts superframes of one kind.
type wire struct {
	kind    encap.GSOKind
	wg      sync.WaitGroup
	super   atomic.Int64
	longest atomic.Int64
}

func newWire(kind encap.GSOKind) *wire { return &wire{kind: kind} }

func (w *wire) join(t *testing.T, from, to *Device) {
	w.wg.Go(func() {
		frames := make([]encap.Frame, 64)
		for {
			n, err := from.ReadBatch(0, frames)
			if err != nil {
				return
			}
			for i := range frames[:n] {
				f := &frames[i]
				if f.Offload.Kind == w.kind {
					w.super.Add(1)
					w.longest.Store(max(w.longest.Load(), int64(len(f.Data))))
				} else if f.Offload.Kind != encap.GSONone {
					t.Errorf("superframe of kind %d", f.Offload.Kind)
				}
			}
			_, _ = to.WriteBatch(0, frames[:n])
		}
	})
}

// transfer sends 16 MiB to l and back, and compares.
func transfer(t *testing.T, l net.Listener) {
	t.Helper()
	served := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, err = io.Copy(c, c)
			_ = c.Close()
		}
		served <- err
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const size = 16 << 20
	sent := make(chan [32]byte, 1)
	go func() {
		h := sha256.New()
		r := io.LimitReader(rand.NewChaCha8([32]byte{1}), size)
		if _, err := io.Copy(io.MultiWriter(c, h), r); err != nil {
			t.Error(err)
		}
		_ = c.(*net.TCPConn).CloseWrite()
		sent <- [32]byte(h.Sum(nil))
	}()
	h := sha256.New()
	n, err := io.Copy(h, c)
	if err != nil || n != size {
		t.Errorf("received %d bytes of %d: %v", n, size, err)
	}
	if want := <-sent; [32]byte(h.Sum(nil)) != want {
		t.Error("what came back differs from what was sent")
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
