package underlay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
	"golang.org/x/sys/unix"
)

func TestWorkersShareFlows(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		const workers, flows, perFlow = 4, 64, 20
		a, b := newWire(t)
		rx := b.listen(t, ReceiverConfig{V6: v6, Port: port, Workers: workers})
		if rx.Workers() != workers {
			t.Fatalf("%d workers", rx.Workers())
		}
		tx := a.transmitter(t, TransmitterConfig{V6: v6, Sockets: flows})
		type arrival struct {
			worker int
			src    netip.AddrPort
		}
		arrivals := make(chan arrival, flows*perFlow)
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				d := make([]encap.Datagram, 8)
				for {
					n, err := rx.ReadBatch(w, d)
					if err != nil {
						return
					}
					for _, d := range d[:n] {
						arrivals <- arrival{w, netip.AddrPortFrom(d.Src.Netip(), d.SrcPort)}
					}
				}
			})
		}
		for range perFlow {
			p := make([]encap.Packet, flows)
			for i := range p {
				p[i] = packet(b.addr(v6), port, "frame")
				p[i].Hash = uint32(i) << 26 // the i-th socket of 64
			}
			send(t, tx, encap.SendOK, p...)
		}
		owner := map[netip.AddrPort]int{}
		loads := map[int]int{}
		timeout := time.After(patience)
		for n := range flows * perFlow {
			select {
			case got := <-arrivals:
				if w, ok := owner[got.src]; ok && w != got.worker {
					t.Fatalf("flow %s at workers %d and %d", got.src, w, got.worker)
				}
				owner[got.src] = got.worker
				loads[got.worker]++
			case <-timeout:
				t.Fatalf("%d of %d packets", n, flows*perFlow)
			}
		}
		if len(owner) != flows || len(loads) != workers {
			t.Errorf("%d flows at %d workers: %v", len(owner), len(loads), loads)
		}
		if err := rx.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}

func TestLocalConfiguredLater(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		later := netip.MustParsePrefix("192.0.2.77/24")
		if v6 {
			later = netip.MustParsePrefix("2001:db8::77/64")
		}
		rx := a.listen(t, ReceiverConfig{Local: later.Addr(), V6: v6, Port: port})
		tx := a.transmitter(t, TransmitterConfig{Local: later.Addr(), V6: v6})
		peerRx := b.listen(t, ReceiverConfig{V6: v6, Port: port})
		peerTx := b.transmitter(t, TransmitterConfig{V6: v6})
		if !v6 { // the kernel does not check the source address of IPv6
			send(t, tx, encap.SendUnreachable, packet(b.addr(v6), port, "too early"))
		}
		check(t, a.AddAddr("eth0", later))
		send(t, tx, encap.SendOK, packet(b.addr(v6), port, "out"))
		if g := receive(t, peerRx, 0, 1)[0]; g.payload != payloadOf("out") || g.src.Addr() != later.Addr() {
			t.Errorf("received %+v", g)
		}
		send(t, peerTx, encap.SendOK, packet(later.Addr(), port, "in"))
		receive(t, rx, 0, 1)
	})
}

func TestReceiverHearsItsDeviceAndAddressAlone(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		tx := a.transmitter(t, TransmitterConfig{V6: v6})
		other := netip.MustParsePrefix("192.0.2.3/24")
		if v6 {
			other = netip.MustParsePrefix("2001:db8::3/64")
		}
		check(t, b.AddAddr("eth0", other))
		loose := b.listen(t, ReceiverConfig{V6: v6, Port: 4790, Device: "eth0"})
		b.listen(t, ReceiverConfig{V6: v6, Port: 4790, Device: "lo"})
		first := b.listen(t, ReceiverConfig{V6: v6, Port: port, Local: b.addr(v6)})
		second := b.listen(t, ReceiverConfig{V6: v6, Port: port, Local: other.Addr()})
		send(t, tx, encap.SendOK,
			packet(b.addr(v6), 4790, "by device"),
			packet(b.addr(v6), port, "first"), packet(other.Addr(), port, "second"))
		for _, c := range []struct {
			rx   *Receiver
			want string
		}{{loose, "by device"}, {first, "first"}, {second, "second"}} {
			if g := receive(t, c.rx, 0, 1)[0]; g.payload != payloadOf(c.want) {
				t.Errorf("received %q, want %q", g.payload, c.want)
			}
		}
		// By the loopback the peer's address is not to be reached.
		lo := a.transmitter(t, TransmitterConfig{V6: v6, Device: "lo", SrcPortMin: 1025, SrcPortMax: 1025})
		p := []encap.Packet{packet(b.addr(v6), port, "astray")}
		if err := lo.WriteBatch(p); err != nil {
			t.Fatal(err)
		}
		send(t, tx, encap.SendOK, packet(b.addr(v6), port, "end"))
		if g := receive(t, first, 0, 1)[0]; g.payload != payloadOf("end") {
			t.Errorf("received %q", g.payload)
		}
	})
}

func TestPoolDiscardsWhatArrives(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		pool := a.transmitter(t, single(v6))
		rx := a.listen(t, ReceiverConfig{V6: v6, Port: port})
		tx := b.transmitter(t, single(v6))
		for range 10 {
			send(t, tx, encap.SendOK, packet(a.addr(v6), 50000, "to the pool"))
		}
		send(t, tx, encap.SendOK, packet(a.addr(v6), port, "to the receiver"))
		receive(t, rx, 0, 1)
		var err error
		if cerr := pool.sockets[0].raw.Control(func(fd uintptr) {
			_, _, err = unix.Recvfrom(int(fd), make([]byte, 100), unix.MSG_DONTWAIT)
		}); cerr != nil {
			t.Fatal(cerr)
		}
		if !errors.Is(err, unix.EAGAIN) {
			t.Errorf("reading a socket of the pool gives %v, want EAGAIN", err)
		}
		// Nor did it answer that the port is unreachable.
		fds := []unix.PollFd{{Fd: int32(tx.sockets[0].file.Fd())}}
		if _, err := unix.Poll(fds, 0); err != nil || fds[0].Revents&unix.POLLERR != 0 {
			t.Errorf("the peer got an error: revents %#x, %v", fds[0].Revents, err)
		}
	})
}

func TestCloseEndsReaders(t *testing.T) {
	a, _ := newWire(t)
	rx := a.listen(t, ReceiverConfig{Port: port, Workers: 2})
	ends := make(chan error)
	for w := range 2 {
		go func() {
			_, err := rx.ReadBatch(w, make([]encap.Datagram, 4))
			ends <- err
		}()
	}
	if err := rx.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		select {
		case err := <-ends:
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("ReadBatch: %v", err)
			}
		case <-time.After(patience):
			t.Fatal("ReadBatch did not end")
		}
	}
	if _, err := rx.ReadBatch(0, make([]encap.Datagram, 4)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("ReadBatch of a closed receiver: %v", err)
	}
}

// TestDrain: what has arrived is read yet; what Close throws away.
func TestDrain(t *testing.T) {
	a, b := newWire(t)
	rx, other := b.listen(t, ReceiverConfig{Port: port}), b.listen(t, ReceiverConfig{Port: port + 1})
	tx := a.transmitter(t, TransmitterConfig{})
	const count = 500
	p := make([]encap.Packet, count)
	for i := range p {
		p[i] = packet(b.addr(false), port, fmt.Sprint("frame ", i))
	}
	last := []encap.Packet{packet(b.addr(false), port+1, "last")}
	for _, batch := range [][]encap.Packet{p, last} {
		if err := tx.WriteBatch(batch); err != nil {
			t.Fatal(err)
		}
	}
	d := make([]encap.Datagram, 64)
	if _, err := other.ReadBatch(0, d); err != nil { // the others have arrived before
		t.Fatal(err)
	}
	if err := rx.Drain(); err != nil {
		t.Fatal(err)
	}
	frames := 0
	for {
		n, err := rx.ReadBatch(0, d)
		if errors.Is(err, net.ErrClosed) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range d[:n] {
			frames++
			if size := int(m.SegSize); size > 0 {
				frames += (len(m.Payload)+size-1)/size - 1
			}
		}
	}
	if frames != count {
		t.Errorf("%d datagrams were read after Drain, want %d", frames, count)
	}
	if err := rx.Close(); err != nil {
		t.Error(err)
	}
}

func TestWriteBatchWhileClosing(t *testing.T) {
	a, b := newWire(t)
	tx := a.transmitter(t, TransmitterConfig{})
	var wg sync.WaitGroup
	sent := make(chan struct{}, 4)
	for range cap(sent) {
		wg.Go(func() {
			p := make([]encap.Packet, 200)
			for n := 0; ; n++ {
				for i := range p {
					p[i] = packet(b.v4, port, "x")
					p[i].Hash = uint32(i) << 25
				}
				err := tx.WriteBatch(p)
				if n == 0 {
					sent <- struct{}{}
				}
				if err == nil {
					continue
				}
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("WriteBatch: %v", err)
				}
				if last := p[len(p)-1].Result; last != encap.SendRefused && n == 0 {
					t.Errorf("last result %d", last)
				}
				return
			}
		})
	}
	for range cap(sent) {
		<-sent
	}
	if err := tx.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	p := []encap.Packet{packet(b.v4, port, "late")}
	if err := tx.WriteBatch(p); !errors.Is(err, net.ErrClosed) || p[0].Result != encap.SendRefused {
		t.Errorf("WriteBatch of a closed transmitter: %v, result %d", err, p[0].Result)
	}
}

func TestNothingLeaks(t *testing.T) {
	a, b := newWire(t)
	group := netip.MustParseAddr("224.1.1.1")
	once := func() error {
		rx, err := Listen(ReceiverConfig{Port: port, Workers: 2})
		if err != nil {
			return err
		}
		g, err := Listen(ReceiverConfig{Port: port, Group: group, Interface: a.index, Beside: []*Receiver{rx}})
		if err != nil {
			return err
		}
		tx, err := OpenTransmitter(TransmitterConfig{Sockets: 3, MulticastInterface: a.index})
		if err != nil {
			return err
		}
		if _, err := Listen(ReceiverConfig{Port: port}); !errors.Is(err, ErrPortInUse) {
			return fmt.Errorf("second receiver: %w", err)
		}
		if err := tx.WriteBatch([]encap.Packet{packet(b.v4, port, "x"), packet(group, port, "y")}); err != nil {
			return err
		}
		return errors.Join(tx.Close(), g.Close(), rx.Close())
	}
	a.do(t, func() error {
		if err := once(); err != nil {
			return err
		}
		fds, goroutines := countFDs(t), runtime.NumGoroutine()
		for range 1000 {
			if err := once(); err != nil {
				return err
			}
		}
		if n := countFDs(t); n > fds {
			t.Errorf("%d descriptors, %d before", n, fds)
		}
		return lab.Eventually(5*time.Second, func() error {
			if n := runtime.NumGoroutine(); n > goroutines {
				return fmt.Errorf("%d goroutines, %d before", n, goroutines)
			}
			return nil
		})
	})
}

func countFDs(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestNoAllocations(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		rx := b.listen(t, ReceiverConfig{V6: v6, Port: port})
		tx := a.transmitter(t, TransmitterConfig{V6: v6})
		p := make([]encap.Packet, 40)
		for i := range p {
			p[i] = packet(b.addr(v6), port, "frame")
			p[i].Hash, p[i].TOS, p[i].TTL, p[i].Zone = uint32(i)<<27, 0x11, 9, uint32(a.index)
		}
		d := make([]encap.Datagram, 64)
		batch := func() {
			if err := tx.WriteBatch(p); err != nil {
				t.Fatal(err)
			}
			for n := 0; n < len(p); {
				k, err := rx.ReadBatch(0, d)
				if err != nil {
					t.Fatal(err)
				}
				n += k
			}
		}
		watchdog := time.AfterFunc(patience, func() { _ = rx.Close() })
		defer watchdog.Stop()
		if n := testing.AllocsPerRun(200, batch); n != 0 {
			t.Errorf("%v allocations a batch", n)
		}
		// A read that waits first takes and gives its buffers.
		ready := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range ready {
				_ = tx.WriteBatch(p[:1])
			}
		}()
		waiting := func() {
			ready <- struct{}{}
			if _, err := rx.ReadBatch(0, d); err != nil {
				t.Fatal(err)
			}
		}
		if n := testing.AllocsPerRun(200, waiting); n != 0 {
			t.Errorf("%v allocations a read that waits", n)
		}
		close(ready)
		<-done
		// What is refused allocates nothing either.
		refused := []encap.Packet{packet(netip.MustParseAddr("198.51.100.1"), port, "x")}
		if v6 {
			refused[0] = packet(netip.MustParseAddr("2001:db8:9::1"), port, "x")
		}
		if n := testing.AllocsPerRun(50, func() { _ = tx.WriteBatch(refused) }); n != 0 || refused[0].Result != encap.SendUnreachable {
			t.Errorf("%v allocations a refusal, result %d", n, refused[0].Result)
		}
	})
}
