package tap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
)

// From the host to the reader, and back, through AF_PACKET on the netdev.
func TestFrames(t *testing.T) {
	h := onHost(t)
	d := mustOpen(t, Config{MTU: 9000})
	mustSet(t, d, Change{Up: new(true)})
	s := packets(t, h, d)

	sizes := []int{60, 1514, 9014}
	for i, size := range sizes {
		if err := s.Send(testFrame(size, uint32(i))); err != nil {
			t.Fatal(err)
		}
	}
	frames := make([]encap.Frame, 8)
	n, err := d.ReadBatch(0, frames)
	if err != nil || n != len(sizes) {
		t.Fatalf("ReadBatch: %d frames, %v; want all %d in one batch", n, err, len(sizes))
	}
	for i, size := range sizes {
		if !bytes.Equal(frames[i].Data, testFrame(size, uint32(i))) {
			t.Errorf("frame %d differs (%d bytes, want %d)", i, len(frames[i].Data), size)
		}
		if cap(frames[i].Data) != len(frames[i].Data) {
			t.Errorf("frame %d has capacity to grow into the next", i)
		}
		if frames[i].Offload != (encap.Offload{}) {
			t.Errorf("frame %d: offload %+v, want none", i, frames[i].Offload)
		}
	}

	out := make([]encap.Frame, len(sizes))
	for i, size := range sizes {
		out[i].Data = testFrame(size, uint32(100+i))
	}
	if n, err := d.WriteBatch(0, out); n != len(out) || err != nil {
		t.Fatalf("WriteBatch: %d, %v", n, err)
	}
	for i, size := range sizes {
		p, err := s.WaitFor(func(p lab.Packet) bool { return !p.Outgoing }, 5*time.Second)
		check(t, err)
		if !bytes.Equal(p.Data, testFrame(size, uint32(100+i))) {
			t.Errorf("written frame %d differs (%d bytes, want %d)", i, p.Length, size)
		}
	}
}

// Batches take what there is and leave what does not fit for the next.
func TestReadBatchLimits(t *testing.T) {
	h := onHost(t)
	d := mustOpen(t, Config{MTU: 65521})
	mustSet(t, d, Change{Up: new(true)})
	s := packets(t, h, d)
	if n, err := d.ReadBatch(0, nil); n != 0 || err != nil {
		t.Errorf("no room for a frame: %d, %v; want 0 at once", n, err)
	}
	const count = 9
	for i := range uint32(count) {
		if err := s.Send(testFrame(65535, i)); err != nil {
			t.Fatal(err)
		}
	}
	frames := make([]encap.Frame, 4)
	for next := uint32(0); next < count; {
		n, err := d.ReadBatch(0, frames)
		if err != nil {
			t.Fatal(err)
		}
		if want := min(4, count-int(next)); n != want {
			t.Fatalf("%d of the longest frames in a batch, want %d", n, want)
		}
		for _, f := range frames[:n] {
			if !bytes.Equal(f.Data, testFrame(65535, next)) {
				t.Fatalf("frame %d of the longest MTU differs", next)
			}
			next++
		}
	}
}

// A batch holds 64 frames of the usual MTU.
func TestReadBatchFull(t *testing.T) {
	h := onHost(t)
	d := mustOpen(t, Config{})
	mustSet(t, d, Change{Up: new(true)})
	s := packets(t, h, d)
	const count = 64
	for i := range uint32(count) {
		if err := s.Send(testFrame(1514, i)); err != nil {
			t.Fatal(err)
		}
	}
	frames := make([]encap.Frame, count)
	n, err := d.ReadBatch(0, frames)
	if n != count || err != nil {
		t.Fatalf("%d frames, %v; want all %d", n, err, count)
	}
	for i := range frames {
		if !bytes.Equal(frames[i].Data, testFrame(1514, uint32(i))) {
			t.Errorf("frame %d differs", i)
		}
	}
}

func TestChecksumFromHost(t *testing.T) {
	for _, tt := range []struct {
		offload Offload
		want    encap.Offload
	}{
		{0, partialUDP()},
		{OffloadNone, encap.Offload{}},
	} {
		t.Run(tt.offload.String(), func(t *testing.T) {
			h := onHost(t)
			d := openHost(t, h, Config{Offload: tt.offload}, hostIP, peerIP, hostMAC, peerMAC)
			c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(peerIP, 9)))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Write([]byte("checksum")); err != nil {
				t.Fatal(err)
			}
			f := readOne(t, d, isIPv4)
			if f.Offload != tt.want {
				t.Fatalf("offload %+v, want %+v", f.Offload, tt.want)
			}
			udp, ip := f.Data[34:], f.Data[14:34]
			pseudo := onesSum(unix.IPPROTO_UDP+uint32(len(udp)), ip[12:20])
			if f.Offload.Csum == encap.CsumPartial {
				if got := binary.BigEndian.Uint16(udp[6:8]); got != pseudo {
					t.Errorf("partial checksum %#x, want the pseudo-header sum %#x", got, pseudo)
				}
			} else if got := onesSum(uint32(pseudo), udp); got != 0xffff {
				t.Errorf("complete checksum sums up to %#x, want 0xffff", got)
			}
		})
	}
}

// A tag that the netdev's driver inserts moves the checksum by its 4 bytes.
func TestChecksumBehindVLANTag(t *testing.T) {
	h := onHost(t)
	d := mustOpen(t, Config{MAC: hostMAC})
	mustSet(t, d, Change{Up: new(true)})
	parent := mustState(t, d).Index
	err := netlink.LinkAdd(&netlink.Vlan{LinkAttrs: netlink.LinkAttrs{Name: "tag7", ParentIndex: parent}, VlanId: 7})
	if errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip("this kernel has no VLAN devices (CONFIG_VLAN_8021Q)")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(mustLink(t, "tag7")); err != nil {
		t.Fatal(err)
	}
	addPeer(t, h, "tag7", hostIP, peerIP, peerMAC)
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(peerIP, 9)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("tagged")); err != nil {
		t.Fatal(err)
	}
	f := readOne(t, d, func(f *encap.Frame) bool { return binary.BigEndian.Uint16(f.Data[12:14]) == unix.ETH_P_8021Q })
	want := partialUDP()
	want.CsumStart += 4
	if f.Offload != want {
		t.Errorf("offload %+v, want %+v", f.Offload, want)
	}
}

func isIPv4(f *encap.Frame) bool {
	return len(f.Data) >= 34 && binary.BigEndian.Uint16(f.Data[12:14]) == unix.ETH_P_IP
}

// The stack takes a datagram with a partial checksum if the header says so,
// and only then.
func TestChecksumToHost(t *testing.T) {
	h := onHost(t)
	d := openHost(t, h, Config{}, hostIP, peerIP, hostMAC, peerMAC)
	l, port := listenUDP(t)
	frames := []encap.Frame{
		{Data: udpFrame(port, []byte("laundered"))}, // claims to be complete
		{Data: udpFrame(port, []byte("partial")), Offload: partialUDP()},
	}
	before := [][]byte{bytes.Clone(frames[0].Data), bytes.Clone(frames[1].Data)}
	if n, err := d.WriteBatch(0, frames); n != 2 || err != nil {
		t.Fatalf("WriteBatch: %d, %v", n, err)
	}
	if got := receive(t, l); got != "partial" {
		t.Errorf("received %q, want the datagram that was marked partial", got)
	}
	for i := range before {
		if !bytes.Equal(frames[i].Data, before[i]) {
			t.Errorf("WriteBatch changed frame %d", i)
		}
	}
}

func listenUDP(t *testing.T) (*net.UDPConn, uint16) {
	t.Helper()
	l, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(hostIP, 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if err := l.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return l, l.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

func receive(t *testing.T, l *net.UDPConn) string {
	t.Helper()
	b := make([]byte, 1<<16)
	n, err := l.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestRefusedFrames(t *testing.T) {
	onHost(t)
	d := mustOpen(t, Config{})
	mustSet(t, d, Change{Up: new(true)})
	outside := partialUDP()
	outside.CsumStart = 5000
	n, err := d.WriteBatch(0, []encap.Frame{
		{Data: testFrame(60, 1)},
		{Data: make([]byte, 13)},
		{},
		{Data: testFrame(60, 2), Offload: outside},
		{Data: testFrame(60, 3)},
	})
	if n != 2 || !errors.Is(err, ErrRefused) {
		t.Errorf("got %d, %v; want the 2 good ones and ErrRefused", n, err)
	}
}

func TestDown(t *testing.T) {
	onHost(t)
	d := mustOpen(t, Config{})
	frames := []encap.Frame{{Data: testFrame(60, 1)}, {Data: testFrame(60, 2)}}
	if n, err := d.WriteBatch(0, frames); n != 0 || !errors.Is(err, ErrDown) {
		t.Errorf("new device: %d, %v; want 0, ErrDown", n, err)
	}
	mustSet(t, d, Change{Up: new(true)})
	if n, err := d.WriteBatch(0, frames); n != 2 || err != nil {
		t.Errorf("up: %d, %v; want 2, nil", n, err)
	}
	mustSet(t, d, Change{Up: new(false)})
	if n, err := d.WriteBatch(0, frames); n != 0 || !errors.Is(err, ErrDown) {
		t.Errorf("down again: %d, %v; want 0, ErrDown", n, err)
	}
}

// A reader that waits while the device goes down and up gets what comes then.
func TestReaderOutlivesDown(t *testing.T) {
	h := onHost(t)
	d := mustOpen(t, Config{})
	mustSet(t, d, Change{Up: new(true)})
	got := make(chan error, 1)
	go func() {
		frames := make([]encap.Frame, 4)
		n, err := d.ReadBatch(0, frames)
		if err == nil && (n != 1 || !bytes.Equal(frames[0].Data, testFrame(60, 7))) {
			err = fmt.Errorf("%d frames, not the one that was sent", n)
		}
		got <- err
	}()
	mustSet(t, d, Change{Up: new(false)})
	mustSet(t, d, Change{Up: new(true)})
	s := packets(t, h, d)
	if err := s.Send(testFrame(60, 7)); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// Flows spread over the queues, none is lost, and each queue can write, from
// several goroutines at once.
func TestMultiQueue(t *testing.T) {
	h := onHost(t)
	const queues, flows, writers = 4, 64, 3
	d := openHost(t, h, Config{Queues: queues}, hostIP, peerIP, hostMAC, peerMAC)
	var (
		total atomic.Int32
		per   [queues]atomic.Int32
		all   = make(chan struct{})
		wg    sync.WaitGroup
	)
	for q := range queues {
		wg.Go(func() {
			frames := make([]encap.Frame, 8)
			for {
				n, err := d.ReadBatch(q, frames)
				if err != nil {
					return
				}
				for i := range frames[:n] {
					if isIPv4(&frames[i]) {
						per[q].Add(1)
						if total.Add(1) == flows {
							close(all)
						}
					}
				}
			}
		})
	}
	for range flows {
		c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(peerIP, 9)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("flow")); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	}
	<-all
	used := 0
	for q := range per {
		if per[q].Load() > 0 {
			used++
		}
	}
	if used < 2 {
		t.Errorf("%d flows came through %d queue", flows, used)
	}

	l, port := listenUDP(t)
	for q := range queues {
		for range writers {
			wg.Go(func() {
				f := []encap.Frame{{Data: udpFrame(port, []byte("from a queue")), Offload: partialUDP()}}
				if n, err := d.WriteBatch(q, f); n != 1 || err != nil {
					t.Errorf("queue %d: %d, %v", q, n, err)
				}
			})
		}
	}
	for range queues * writers {
		receive(t, l)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
}
