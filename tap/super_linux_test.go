package tap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
)

// tcpSuperframe is a superframe of three segments from the peer to the host.
func tcpSuperframe() encap.Frame {
	tcp := make([]byte, 20+4000)
	binary.BigEndian.PutUint16(tcp[0:2], 4000)
	binary.BigEndian.PutUint16(tcp[2:4], 4001)
	tcp[12], tcp[13] = 5<<4, 0x10 // 20 bytes of header, ACK
	for i := range tcp[20:] {
		tcp[20+i] = byte(i * 7)
	}
	return encap.Frame{
		Data: ipv4Frame(unix.IPPROTO_TCP, tcp, 16),
		Offload: encap.Offload{Kind: encap.GSOTCPv4, Csum: encap.CsumPartial,
			SegSize: 1448, CsumStart: 34, CsumOffset: 16},
	}
}

// udpSuperframe is one of count datagrams, each a number in size bytes.
func udpSuperframe(port uint16, size, count int) encap.Frame {
	payload := make([]byte, 0, size*count)
	for i := range count {
		payload = append(payload, bytes.Repeat([]byte{byte(i)}, size)...)
	}
	f := encap.Frame{Data: udpFrame(port, payload), Offload: partialUDP()}
	f.Offload.Kind, f.Offload.SegSize = encap.GSOUDP, uint16(size)
	return f
}

// inPieces is f with all but its first 100 bytes in count slices of More, each
// in memory of its own.
func inPieces(f encap.Frame, count int) encap.Frame {
	rest := f.Data[100:]
	size := (len(rest) + count - 1) / count
	p := encap.Frame{Data: slices.Clip(bytes.Clone(f.Data[:100])), Offload: f.Offload}
	for b := range slices.Chunk(rest, size) {
		p.More = append(p.More, bytes.Clone(b))
	}
	for len(p.More) < count {
		p.More = append(p.More, nil)
	}
	return p
}

// However a superframe lies in memory, the host gets the same.
func TestWritePieces(t *testing.T) {
	h := onHost(t)
	d := openHost(t, h, Config{}, hostIP, peerIP, hostMAC, peerMAC)
	s := packets(t, h, d)
	for _, count := range []int{1, 2, 6, 7, 8, 63, maxMore} {
		whole := tcpSuperframe()
		whole.Data[38] = byte(count) // in the sequence number
		f := inPieces(whole, count)
		if f.Len() != len(whole.Data) {
			t.Fatalf("%d pieces: %d bytes, want %d", count, f.Len(), len(whole.Data))
		}
		if n, err := d.WriteBatch(0, []encap.Frame{f}); n != 1 || err != nil {
			t.Fatalf("%d pieces: %d, %v", count, n, err)
		}
		seen(t, s, whole.Data)
	}
	more := inPieces(tcpSuperframe(), maxMore+1)
	after := encap.Frame{Data: testFrame(60, 1)}
	if n, err := d.WriteBatch(0, []encap.Frame{more, after}); n != 2 || err != nil {
		t.Errorf("%d pieces: %d, %v; want it cut, and the next frame taken", maxMore+1, n, err)
	}
	if o := d.WriteOffload(); o != OffloadChecksum|OffloadTSO|OffloadUSO {
		t.Errorf("write offload %v after a frame of too many pieces, want all", o)
	}
	// An ordinary frame may lie in pieces, too.
	plain := encap.Frame{Data: testFrame(1000, 2)[:400:400], More: [][]byte{testFrame(1000, 2)[400:]}}
	if n, err := d.WriteBatch(0, []encap.Frame{plain}); n != 1 || err != nil {
		t.Errorf("ordinary frame in two pieces: %d, %v", n, err)
	}
	seen(t, s, testFrame(1000, 2))
}

// Writers of one queue share no vector.
func TestConcurrentPieces(t *testing.T) {
	h := onHost(t)
	const writers, rounds, size, count = 4, 8, 100, 20
	d := openHost(t, h, Config{}, hostIP, peerIP, hostMAC, peerMAC)
	l, port := listenUDP(t)
	if err := l.SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			f := []encap.Frame{inPieces(udpSuperframe(port, size, count), count-1)}
			for range rounds {
				if n, err := d.WriteBatch(0, f); n != 1 || err != nil {
					t.Errorf("%d, %v", n, err)
				}
			}
		})
	}
	wg.Wait()
	var got [count]int
	for range writers * rounds * count {
		b := receive(t, l)
		if b != string(bytes.Repeat([]byte{b[0]}, size)) {
			t.Fatalf("datagram of two payloads: % x", b)
		}
		got[b[0]]++
	}
	for i, n := range got {
		if n != writers*rounds {
			t.Errorf("datagram %d came %d times, want %d", i, n, writers*rounds)
		}
	}
}

// What the kernel does not take, or is not to be given, is cut.
func TestWriteCut(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config Config
		deny   bool
		pieces int
		want   Offload // afterwards
	}{
		{"refused", Config{}, true, 0, OffloadChecksum | OffloadTSO},
		{"refused, in pieces", Config{}, true, 5, OffloadChecksum | OffloadTSO},
		{"switched off", Config{NoWriteOffload: OffloadUSO}, false, 5, OffloadChecksum | OffloadTSO},
		{"all switched off", Config{NoWriteOffload: OffloadUSO | OffloadTSO}, false, 0, OffloadChecksum},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := onHost(t)
			d := openHost(t, h, tt.config, hostIP, peerIP, hostMAC, peerMAC)
			d.super.deny = tt.deny
			l, port := listenUDP(t)
			s := packets(t, h, d)
			f := udpSuperframe(port, 1000, 4)
			f.Data = f.Data[:len(f.Data)-500]
			f.Data[17], f.Data[39] = 0, 0 // lengths, set below
			binary.BigEndian.PutUint16(f.Data[16:], uint16(len(f.Data)-14))
			binary.BigEndian.PutUint16(f.Data[38:], uint16(len(f.Data)-34))
			f.Data[24], f.Data[25] = 0, 0
			binary.BigEndian.PutUint16(f.Data[24:], ^onesSum(0, f.Data[14:34]))
			if tt.pieces > 0 {
				f = inPieces(f, tt.pieces)
			}
			before := bytes.Clone(f.Data)
			for range superRefused {
				if n, err := d.WriteBatch(0, []encap.Frame{f}); n != 1 || err != nil {
					t.Fatalf("WriteBatch: %d, %v", n, err)
				}
				for i := range 4 {
					want := string(bytes.Repeat([]byte{byte(i)}, []int{1000, 1000, 1000, 500}[i]))
					if got := receive(t, l); got != want {
						t.Errorf("datagram %d: %d bytes, want %d", i, len(got), len(want))
					}
					any := func(lab.Packet) bool { return true }
					if p, err := s.WaitFor(any, 5*time.Second); err != nil || p.Length != 42+len(want) {
						t.Errorf("frame %d of %d bytes on the netdev, want %d (%v)", i, p.Length, 42+len(want), err)
					}
				}
			}
			if !bytes.Equal(f.Data, before) {
				t.Error("WriteBatch changed the frame")
			}
			if o := d.WriteOffload(); o != tt.want {
				t.Errorf("write offload %v, want %v", o, tt.want)
			}
			const super = OffloadTSO | OffloadUSO
			if o := d.Offloads(); o.Write != tt.want&super || o.Switched != tt.config.NoWriteOffload || o.Switched|o.Refused != super&^tt.want {
				t.Errorf("offloads %+v, want %v", o, tt.want)
			}
			if d.Offloads().Superframes() != (tt.want&OffloadTSO != 0) {
				t.Errorf("superframes: %v with %v", d.Offloads().Superframes(), tt.want)
			}
		})
	}
}

// A malformed superframe does not make the device cut all others.
func TestMalformedSuperframeIsNotHeldAgainstKernel(t *testing.T) {
	h := onHost(t)
	d := openHost(t, h, Config{}, hostIP, peerIP, hostMAC, peerMAC)
	bad := tcpSuperframe()
	bad.Offload.CsumStart = 60_000
	good := tcpSuperframe()
	for range 2 { // before and after one that is taken
		n, err := d.WriteBatch(0, []encap.Frame{bad, good})
		if n == 0 || (err != nil && !errors.Is(err, ErrRefused)) {
			t.Errorf("%d, %v; want at least the good one", n, err)
		}
	}
	strange := tcpSuperframe()
	strange.Offload.Kind = encap.GSOUDP + 1
	if n, err := d.WriteBatch(0, []encap.Frame{strange}); n != 0 || !errors.Is(err, ErrRefused) {
		t.Errorf("unknown kind: %d, %v; want ErrRefused", n, err)
	}
	if o := d.super.state[encap.GSOTCPv4].Load(); o != superTaken {
		t.Errorf("state %d after good and bad superframes, want %d", o, superTaken)
	}
}

// A kernel that lacks a part grants the rest.
func TestOffloadFallback(t *testing.T) {
	all := OffloadChecksum | OffloadTSO | OffloadUSO
	for _, tt := range []struct {
		want, lacks, granted Offload
	}{
		{all, 0, all},
		{all, OffloadUSO, OffloadChecksum | OffloadTSO},
		{all, OffloadTSO, OffloadChecksum | OffloadUSO},
		{all, OffloadTSO | OffloadUSO, OffloadChecksum},
		{all, all, 0},
		{OffloadTSO, OffloadTSO, OffloadChecksum},
		{OffloadUSO, OffloadUSO, OffloadChecksum},
		{OffloadChecksum, OffloadChecksum, 0},
		{OffloadNone, all, 0},
	} {
		t.Run(fmt.Sprintf("%v without %v", tt.want, tt.lacks), func(t *testing.T) {
			onHost(t)
			var last Offload
			d := mustOpen(t, Config{Offload: tt.want, setOffload: func(fd int, o Offload) error {
				if o&tt.lacks != 0 {
					return unix.EINVAL
				}
				last = o
				return setOffload(fd, o)
			}})
			if d.Offload() != tt.granted || last != tt.granted {
				t.Errorf("granted %v, last asked for %v; want %v", d.Offload(), last, tt.granted)
			}
		})
	}
	onHost(t)
	_, err := Open(Config{setOffload: func(int, Offload) error { return unix.EBADFD }})
	if !errors.Is(err, unix.EBADFD) {
		t.Errorf("another error: %v, want it passed on", err)
	}
}

// What is longer than the limits comes in several frames.
func TestGSOLimits(t *testing.T) {
	for _, tt := range []struct {
		name    string
		config  Config
		longest int // at most
		frames  int // at least
	}{
		{"none", Config{}, 25042, 1},
		{"size", Config{GSOMaxSize: 20_000}, 1042, 25},
		{"segments", Config{GSOMaxSegs: 20}, 1042, 25},
		{"size that suffices", Config{GSOMaxSize: 30_000, GSOMaxSegs: 43}, 25042, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := onHost(t)
			tt.config.Offload = OffloadUSO | OffloadTSO
			d := openHost(t, h, tt.config, hostIP, peerIP, hostMAC, peerMAC)
			s := mustState(t, d)
			if c := tt.config; c.GSOMaxSize != 0 && s.GSOMaxSize != c.GSOMaxSize || c.GSOMaxSegs != 0 && s.GSOMaxSegs != c.GSOMaxSegs {
				t.Errorf("state %+v, want the limits %d and %d", s, c.GSOMaxSize, c.GSOMaxSegs)
			}
			if d.Offload()&OffloadUSO == 0 {
				t.Skip("this kernel has no USO on TAPs (before 6.2)")
			}
			sendSegments(t, 1000, 25)
			var bytes, frames, longest int
			for batch := make([]encap.Frame, 8); bytes < 25_000; {
				n, err := d.ReadBatch(0, batch)
				if err != nil {
					t.Fatal(err)
				}
				for i := range batch[:n] {
					bytes += batch[i].Len() - 42
					longest = max(longest, batch[i].Len())
					frames++
				}
			}
			if bytes != 25_000 || longest > tt.longest || frames < tt.frames {
				t.Errorf("%d bytes of payload in %d frames up to %d bytes; want %d, at least %d, up to %d",
					bytes, frames, longest, 25_000, tt.frames, tt.longest)
			}
		})
	}
	onHost(t)
	d := mustOpen(t, Config{})
	mustSet(t, d, Change{GSOMaxSize: new(32_000), GSOMaxSegs: new(10), TxQueueLen: new(77)})
	if s := mustState(t, d); s.GSOMaxSize != 32_000 || s.GSOMaxSegs != 10 || s.TxQueueLen != 77 {
		t.Errorf("state after Set: %+v", s)
	}
	if _, err := Open(Config{GSOMaxSize: 1 << 20}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("GSO size of 1 MiB: %v, want EINVAL", err)
	}
}

// sendSegments sends count datagrams of size bytes to the peer in one call.
func sendSegments(t *testing.T, size, count int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, size); err != nil {
		t.Fatal(err)
	}
	to := &unix.SockaddrInet4{Port: 9, Addr: peerIP.As4()}
	if err := unix.Sendto(fd, make([]byte, size*count), 0, to); err != nil {
		t.Fatal(err)
	}
}

// A superframe of a VLAN has its tag as the host gets it, whole or cut.
func TestWriteTagged(t *testing.T) {
	h := onHost(t)
	for _, config := range []Config{{}, {NoWriteOffload: OffloadTSO | OffloadUSO}} {
		d := openHost(t, h, config, hostIP, peerIP, hostMAC, peerMAC)
		s := packets(t, h, d)
		for _, count := range []int{1, 3} {
			f := inPieces(tcpSuperframe(), count)
			f.VLAN = 7
			if n, err := d.WriteBatch(0, []encap.Frame{f}); n != 1 || err != nil {
				t.Fatalf("%d pieces: %d, %v", count, n, err)
			}
			for _, b := range received(t, tcpSuperframe(), config.NoWriteOffload != 0) {
				seen(t, s, slices.Insert(b, encap.MACsLen, 0x81, 0, 0, 7))
			}
			if f.VLAN != 7 || f.Len() != len(tcpSuperframe().Data) {
				t.Error("the frame changed")
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// received is what the host gets of f, whole or cut.
func received(t *testing.T, f encap.Frame, isCut bool) (all [][]byte) {
	t.Helper()
	if !isCut {
		return [][]byte{bytes.Clone(f.Data)}
	}
	var cut encap.Segmenter
	if !cut.Init(&f) {
		t.Fatal("no superframe")
	}
	head := make([]byte, cut.HeaderLen())
	for {
		payload, ok := cut.Next(head)
		if !ok {
			return all
		}
		all = append(all, slices.Concat(head, payload))
	}
}
