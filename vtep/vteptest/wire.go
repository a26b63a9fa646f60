package vteptest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
)

// Underlay is a transmitter and a receiver that it reaches, for
// [TestUnderlay]. The transmitter has the DF bit set.
type Underlay struct {
	Transmitter vtep.Transmitter
	Receiver    vtep.Receiver
	Sockets     int            // of the receiver, as Listen told
	Src         netip.Addr     // what the transmitter sends from
	Dst         netip.AddrPort // where the receiver listens
	// SrcPortMin and SrcPortMax bound the source ports.
	SrcPortMin, SrcPortMax uint16
	MTU                    int        // of the path from Src to Dst
	NoRoute                netip.Addr // an address of the same family that has no route
	// Reorders says that the path itself reorders now and then, as two network
	// namespaces do when the kernel moves the sender to another CPU.
	Reorders bool
}

// TestUnderlay checks what vtep.Receiver and vtep.Transmitter promise. open
// is called once for each subtest.
func TestUnderlay(t *testing.T, open func(t testing.TB) Underlay) {
	for _, tt := range []struct {
		name string
		run  func(*wireTest)
	}{
		{"packet", (*wireTest).packet},
		{"TTL", (*wireTest).hops},
		{"order and source port", (*wireTest).order},
		{"source ports spread", (*wireTest).spread},
		{"results", (*wireTest).results},
		{"shared frame", (*wireTest).shared},
		{"borrowed", (*wireTest).borrowed},
		{"write concurrently", (*wireTest).concurrent},
		{"drain", (*wireTest).drained},
		{"close", (*wireTest).closed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &wireTest{T: t, Underlay: open(t), got: make(chan arrival, depth)}
			w.start()
			defer w.stop()
			tt.run(w)
		})
	}
}

// wireTest is one subtest of TestUnderlay.
type wireTest struct {
	*testing.T
	Underlay
	got     chan arrival
	readers sync.WaitGroup
}

// arrival is a datagram, copied.
type arrival struct {
	worker int
	encap.Datagram
}

// start reads every worker's socket until the receiver is closed.
func (w *wireTest) start() {
	for n := range w.Sockets {
		w.readers.Go(func() {
			if err := w.read(n); !errors.Is(err, net.ErrClosed) {
				w.Errorf("ReadBatch ended with %v, want net.ErrClosed", err)
			}
		})
	}
}

func (w *wireTest) stop() {
	_ = w.Receiver.Close()
	w.readers.Wait()
	_ = w.Transmitter.Close()
}

// read passes worker n's datagrams on. It writes to each, up to its capacity,
// as its owner until the next read may, and looks that no other changed.
func (w *wireTest) read(n int) error {
	d := make([]encap.Datagram, 16)
	for {
		k, err := w.Receiver.ReadBatch(n, d)
		if err != nil {
			if k != 0 {
				w.Errorf("ReadBatch gave %d datagrams and %v", k, err)
			}
			return err
		}
		if k < 1 || k > len(d) {
			w.Errorf("ReadBatch with room for %d gave %d", len(d), k)
		}
		kept := make([]arrival, k)
		for i := range k {
			kept[i] = arrival{n, d[i]}
			kept[i].Payload = bytes.Clone(d[i].Payload)
		}
		for i := range k {
			if !bytes.Equal(d[i].Payload, kept[i].Payload) {
				w.Errorf("datagram %d changed as others were written to", i)
			}
			whole := d[i].Payload[:cap(d[i].Payload)]
			for j := range whole {
				whole[j] = 0xee
			}
			for part := range slices.Chunk(kept[i].Payload, size(&d[i])) {
				one := kept[i]
				one.Payload = part
				w.got <- one
			}
		}
	}
}

// size is that of the datagrams that were joined to d.
func size(d *encap.Datagram) int {
	if d.SegSize != 0 {
		return int(d.SegSize)
	}
	return max(len(d.Payload), 1)
}

// receive takes the next datagram, of whatever worker.
func (w *wireTest) receive() arrival {
	w.Helper()
	select {
	case a := <-w.got:
		return a
	case <-time.After(patience):
		w.Fatal("no datagram")
		return arrival{}
	}
}

// packetTo is frame n of a flow to Dst.
func (w *wireTest) packetTo(vni encap.VNI, n, size int, hash uint32) encap.Packet {
	return encap.Packet{
		Frame: encap.Frame{Data: numbered(n, size)}, Header: encap.HeaderFor(vni),
		Dst: encap.AddrFrom(w.Dst.Addr()), Port: w.Dst.Port(), Hash: hash,
		Result: 0xff,
	}
}

// send writes p, all of which must go out.
func (w *wireTest) send(p ...encap.Packet) {
	w.Helper()
	if err := w.Transmitter.WriteBatch(p); err != nil {
		w.Fatalf("WriteBatch: %v", err)
	}
	for i := range p {
		if p[i].Result != encap.SendOK {
			w.Fatalf("packet %d of %d: result %d", i, len(p), p[i].Result)
		}
	}
}

// check compares an arrival with the packet that was sent.
func (w *wireTest) check(a *arrival, p *encap.Packet) {
	w.Helper()
	want := append(p.Header[:len(p.Header):len(p.Header)], p.Frame.Data...)
	if !bytes.Equal(a.Payload, want) {
		w.Fatalf("payload %x, want %x", a.Payload, want)
	}
	if a.Src.Netip() != w.Src || a.TOS != p.TOS {
		w.Errorf("from %s with TOS %#x, want %s, %#x", a.Src, a.TOS, w.Src, p.TOS)
	}
	if a.SrcPort < w.SrcPortMin || a.SrcPort > w.SrcPortMax {
		w.Errorf("source port %d is not in %d-%d", a.SrcPort, w.SrcPortMin, w.SrcPortMax)
	}
}

// packet: header and frame arrive whole, with source and TOS, at any size.
func (w *wireTest) packet() {
	largest := w.MTU - encap.OuterLen(0, w.Src.Is6())
	for _, size := range []int{64, 65, 127, 1000, largest} {
		for _, tos := range []uint8{0, 0x02, 0xb9} {
			p := w.packetTo(0xabcdef, size, size, 1)
			p.TOS, p.TTL = tos, 9
			w.send(p)
			a := w.receive()
			w.check(&a, &p)
		}
	}
	w.send() // an empty batch is nothing
}

// order: packets of one flow arrive in order, from one source port, at one
// worker, however many at once.
func (w *wireTest) order() {
	const bursts, count = 10, 150
	var disordered int
	var first arrival
	for burst := range bursts {
		var p []encap.Packet
		for n := range count {
			p = append(p, w.packetTo(1, n, 100, 0xdeadbeef))
		}
		w.send(p...)
		inOrder := true
		for i := range count {
			a := w.receive()
			n := number(&a)
			w.check(&a, &p[n])
			inOrder = inOrder && n == i
			if burst == 0 && i == 0 {
				first = a
			}
			if a.SrcPort != first.SrcPort || a.worker != first.worker {
				w.Fatalf("packet %d: port %d, worker %d; the first had %d, %d", n, a.SrcPort, a.worker, first.SrcPort, first.worker)
			}
		}
		if !inOrder {
			disordered++
		}
	}
	if disordered > 0 && !w.Reorders || disordered > bursts/3 {
		w.Errorf("%d of %d bursts arrived out of order", disordered, bursts)
	}
}

// number is what a frame of numbered says.
func number(a *arrival) int { return int(binary.BigEndian.Uint32(a.Payload[encap.HeaderLen+14:])) }

// spread: different flows leave from different ports, each always from its own.
func (w *wireTest) spread() {
	const flows = 256
	ports := make(map[uint16]bool)
	port := make([]uint16, flows)
	for round := range 2 {
		var p []encap.Packet
		for n := range flows {
			p = append(p, w.packetTo(1, n, 64, uint32(n)*0x9e3779b1))
		}
		w.send(p...)
		for range flows {
			a := w.receive()
			n := number(&a)
			w.check(&a, &p[n])
			if round == 1 && a.SrcPort != port[n] {
				w.Errorf("flow %d moved from port %d to %d", n, port[n], a.SrcPort)
			}
			port[n] = a.SrcPort
			ports[a.SrcPort] = true
		}
	}
	if len(ports) < 16 {
		w.Errorf("%d flows left from %d ports", flows, len(ports))
	}
}

// results: each packet has its own result, and one that cannot go does not
// take others with it.
func (w *wireTest) results() {
	other := encap.AddrFrom(netip.MustParseAddr("2001:db8::99"))
	if w.Src.Is6() {
		other = encap.AddrFrom(netip.MustParseAddr("198.51.100.99"))
	}
	var p []encap.Packet
	for n := range 12 {
		p = append(p, w.packetTo(1, n, 100, uint32(n/6)))
	}
	p[1].Dst = encap.AddrFrom(w.NoRoute)
	p[4] = w.packetTo(1, 4, w.MTU+1, 0)
	p[8].Dst = other
	p[9] = w.packetTo(1, 9, w.MTU-encap.OuterLen(0, w.Src.Is6())+1, 1)
	if err := w.Transmitter.WriteBatch(p); err != nil {
		w.Fatal(err)
	}
	want := map[int]encap.SendResult{1: encap.SendUnreachable, 4: encap.SendTooBig, 8: encap.SendRefused, 9: encap.SendTooBig}
	arrive := make(map[int]bool)
	for n := range p {
		if p[n].Result != want[n] {
			w.Errorf("packet %d: result %d, want %d", n, p[n].Result, want[n])
		}
		if want[n] == encap.SendOK {
			arrive[n] = true
		}
	}
	if mtu, ok := w.Transmitter.PathMTU(p[0].Dst); !ok || mtu != w.MTU {
		w.Errorf("after a packet that was too big the path MTU is %d, %v, want %d", mtu, ok, w.MTU)
	}
	for range len(arrive) {
		a := w.receive()
		n := number(&a)
		if !arrive[n] {
			w.Errorf("packet %d arrived, which should not, or twice", n)
		}
		delete(arrive, n)
	}
}

// shared: packets that share a frame, as head-end replication makes them, all
// carry it, each with its own header, and it stays as it is.
func (w *wireTest) shared() {
	frame := encap.Frame{Data: numbered(7, 200)}
	var p []encap.Packet
	for n := range 40 {
		q := w.packetTo(encap.VNI(n), 0, 64, 5)
		q.Frame = frame
		p = append(p, q)
	}
	w.send(p...)
	for range p {
		a := w.receive()
		h, _ := encap.DecodeHeader(a.Payload)
		w.check(&a, &p[h.VNI])
	}
	if !bytes.Equal(frame.Data, numbered(7, 200)) {
		w.Error("WriteBatch wrote to the frame")
	}
}

// borrowed: the memory is the caller's again after WriteBatch. (Of the
// receiver's memory see read.)
func (w *wireTest) borrowed() {
	want := w.packetTo(3, 1, 100, 1)
	p := []encap.Packet{w.packetTo(3, 1, 100, 1)}
	w.send(p...)
	for i := range p[0].Frame.Data {
		p[0].Frame.Data[i] = 0xee
	}
	p[0].Header = [encap.HeaderLen]byte{}
	a := w.receive()
	w.check(&a, &want)
}

// concurrent: writers do not mix up each other's packets.
func (w *wireTest) concurrent() {
	const writers, count = 4, 50
	var wg sync.WaitGroup
	errs := make(chan error, writers)
	for v := range writers {
		wg.Go(func() {
			var p []encap.Packet
			for n := range count {
				p = append(p, w.packetTo(encap.VNI(v), n, 100, uint32(v)<<30))
			}
			if err := w.Transmitter.WriteBatch(p); err != nil {
				errs <- fmt.Errorf("WriteBatch: %w", err)
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		w.Fatal(err)
	}
	seen := make(map[[2]int]bool)
	for range writers * count {
		a := w.receive()
		h, _ := encap.DecodeHeader(a.Payload)
		p := w.packetTo(h.VNI, number(&a), 100, 0)
		w.check(&a, &p)
		seen[[2]int{int(h.VNI), number(&a)}] = true
	}
	if len(seen) != writers*count {
		w.Errorf("%d different packets arrived, %d were sent", len(seen), writers*count)
	}
}
