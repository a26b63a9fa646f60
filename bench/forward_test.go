package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// engine is a host in memory whose one device and one receiver supply b.N
// frames as fast as the VTEP takes them, and whose outputs only count.
type engine struct {
	*vteptest.Host
	frame    []byte // what the port supplies
	datagram []byte // what the underlay supplies
	segSize  int    // of the datagrams in it; 0: it is one
	vlans    int    // of the trunk port, whose frames and VNIs take turns; 0: there is no trunk
	next     int    // whose turn it is
	calls    int    // writes of the other side
	left     int    // still to be supplied, by the one reader of the side in use
	arrived  int    // counted by the one writer of the other side
	want     int
	start    chan struct{} // closed: supply
	done     chan struct{} // closed: all b.N have arrived
	closed   chan struct{}
}

// count notes n arrivals in one write.
func (e *engine) count(n int) {
	e.calls++
	if e.arrived += n; e.arrived == e.want {
		close(e.done)
	}
}

// turn is whose turn it is, from 0 on.
func (e *engine) turn() int {
	e.next = (e.next + 1) % e.vlans
	return e.next
}

// wait blocks until there is something to supply; false: closed.
func (e *engine) wait() bool {
	if e.left == 0 {
		<-e.closed
		return false
	}
	select {
	case <-e.start:
		return true
	case <-e.closed:
		return false
	}
}

func (e *engine) OpenPort(c tap.Config) (vtep.Port, vtep.Netdev, error) {
	_, _, err := e.Host.OpenPort(c)
	d := &engineDevice{Device: e.Device(c.Name), e: e, buf: make([]byte, engineBatch*2048)}
	return d, d, err
}

func (e *engine) Listen(underlay.ReceiverConfig) (vtep.Receiver, int, error) {
	return &engineReceiver{e: e, buf: make([]byte, engineBatch*max(2048, len(e.datagram)+engineRoom))}, 1, nil
}

func (e *engine) OpenTransmitter(underlay.TransmitterConfig) (vtep.Transmitter, []uint16, error) {
	return engineTransmitter{e}, nil, nil
}

type engineDevice struct {
	*vteptest.Device
	e   *engine
	buf []byte
}

func (d *engineDevice) ReadBatch(_ int, frames []encap.Frame) (int, error) {
	if d.e.frame == nil {
		<-d.e.closed
		return 0, os.ErrClosed
	}
	if !d.e.wait() {
		return 0, os.ErrClosed
	}
	n := min(len(frames), d.e.left, engineBatch)
	for i := range n {
		b := d.buf[i*2048:]
		frames[i] = encap.Frame{Data: b[:copy(b, d.e.frame)]}
		if d.e.vlans > 0 {
			binary.BigEndian.PutUint16(b[14:], uint16(1+d.e.turn()))
		}
	}
	d.e.left -= n
	return n, nil
}

func (d *engineDevice) WriteBatch(_ int, frames []encap.Frame) (int, error) {
	d.e.count(len(frames))
	return len(frames), nil
}

// engineBatch is what one read supplies at most.
const engineBatch = 64

// engineRoom sets datagrams apart, so that their starts do not share cache sets.
const engineRoom = 33 * 64

// Offloads are those of a TAP.
func (d *engineDevice) Offloads() tap.Offloads {
	return tap.Offloads{Write: tap.OffloadTSO | tap.OffloadUSO}
}

type engineReceiver struct {
	e   *engine
	buf []byte
}

func (r *engineReceiver) Offloads() underlay.Offloads { return underlay.Offloads{Segments: 1} }
func (r *engineReceiver) Losses() encap.Losses        { return encap.Losses{} }
func (r *engineReceiver) Drain() error                { return nil }
func (r *engineReceiver) Close() error                { return nil }
func (r *engineReceiver) ReadBatch(_ int, d []encap.Datagram) (int, error) {
	if r.e.datagram == nil {
		<-r.e.closed
		return 0, net.ErrClosed
	}
	if !r.e.wait() {
		return 0, net.ErrClosed
	}
	n := min(len(d), r.e.left, engineBatch)
	if r.e.segSize > 0 {
		n = min(n, 8) // what a receiver takes at once of such
	}
	for i := range n {
		b := r.buf[i*(len(r.buf)/engineBatch):]
		if r.e.vlans > 0 {
			h := encap.HeaderFor(encap.VNI(42 + r.e.turn()))
			copy(r.e.datagram, h[:])
		}
		d[i] = encap.Datagram{
			Payload: b[:copy(b, r.e.datagram)], Src: encap.AddrFrom(addrB), SrcPort: 50000, SegSize: uint16(r.e.segSize),
		}
	}
	r.e.left -= n
	return n, nil
}

type engineTransmitter struct{ e *engine }

func (engineTransmitter) TakeErrors() []underlay.ICMPError      { return nil }
func (engineTransmitter) Offloads() underlay.Offloads           { return underlay.Offloads{Segments: 1} }
func (engineTransmitter) Close() error                          { return nil }
func (engineTransmitter) PathMTU(encap.Addr) (mtu int, ok bool) { return 0, false }
func (t engineTransmitter) WriteBatch(p []encap.Packet) error {
	for i := range p {
		p[i].Result = encap.SendOK
	}
	t.e.count(len(p))
	return nil
}

var (
	addrA = netip.MustParseAddr("192.0.2.1")
	addrB = netip.MustParseAddr("192.0.2.2")
	macA  = encap.MAC{0x02, 0, 0, 0, 0, 0xa}
	macB  = encap.MAC{0x02, 0, 0, 0, 0, 0xb}
)

// udpFrame is an Ethernet frame of size bytes with a UDP packet over IPv4,
// without UDP checksum.
func udpFrame(dst, src encap.MAC, size int) []byte {
	b := make([]byte, size)
	copy(b, dst[:])
	copy(b[6:], src[:])
	binary.BigEndian.PutUint16(b[12:], encap.EtherTypeIPv4)
	ip := b[14:]
	ip[0], ip[8], ip[9] = 0x45, 64, encap.ProtoUDP
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	copy(ip[12:], []byte{198, 51, 100, 1, 198, 51, 100, 2})
	binary.BigEndian.PutUint16(ip[10:], ^encap.Sum(ip[:20]))
	binary.BigEndian.PutUint16(ip[20:], 40000)
	binary.BigEndian.PutUint16(ip[22:], 9)
	binary.BigEndian.PutUint16(ip[24:], uint16(len(ip)-20))
	return b
}

// BenchmarkForward is the data path of one worker over fakes: FDB hit, learning
// and peer policy on.
func BenchmarkForward(b *testing.B) {
	for _, size := range []int{64, 1414} {
		b.Run(fmt.Sprintf("port-to-remote/%dB", size), func(b *testing.B) {
			benchmarkForward(b, size, &engine{frame: udpFrame(macB, macA, size)})
		})
		b.Run(fmt.Sprintf("remote-to-port/%dB", size), func(b *testing.B) {
			h := encap.HeaderFor(42)
			benchmarkForward(b, size, &engine{datagram: append(h[:], udpFrame(macA, macB, size)...)})
		})
	}
	b.Run("trunk", benchmarkTrunk)
}

// benchmarkTrunk is the data path of a trunk port whose VLANs take turns, with one
// transmitter and one port: also how many frames a write of these has.
func benchmarkTrunk(b *testing.B) {
	const size = 64
	for _, vlans := range []int{1, 4, 64} {
		b.Run(fmt.Sprintf("vlans=%d/interleaved/port-to-remote", vlans), func(b *testing.B) {
			f := udpFrame(macB, macA, size)
			tagged := append(append(append([]byte{}, f[:12]...), 0x81, 0, 0, 0), f[12:]...)
			benchmarkForward(b, size, &engine{frame: tagged, vlans: vlans})
		})
		b.Run(fmt.Sprintf("vlans=%d/interleaved/remote-to-port", vlans), func(b *testing.B) {
			h := encap.HeaderFor(42)
			benchmarkForward(b, size, &engine{datagram: append(h[:], udpFrame(macA, macB, size)...), vlans: vlans})
		})
	}
}

func benchmarkForward(b *testing.B, size int, e *engine) {
	e.Host = vteptest.NewNetwork().Host(addrA)
	e.left, e.want = b.N, b.N
	e.start, e.done, e.closed = make(chan struct{}), make(chan struct{}), make(chan struct{})
	v := vtep.New(vtep.Config{Host: e, Log: slog.New(slog.DiscardHandler), Workers: 1})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- v.Run(ctx) }()
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	links := []vtep.LinkConfig{{Name: "vxlan0", VNI: 42, Local: addrA, Remote: addrB}}
	if e.vlans > 0 {
		check(v.AddTrunk(vtep.TrunkConfig{Name: "trunk0"}))
		check(v.SetTrunkUp("trunk0", true))
		links = nil
		for i := range e.vlans {
			links = append(links, vtep.LinkConfig{Name: fmt.Sprint("v", i), VNI: encap.VNI(42 + i), Local: addrA, Remote: addrB, Trunk: "trunk0", VLAN: uint16(1 + i)})
		}
	}
	for _, c := range links {
		check(v.AddLink(c))
		check(v.FDBAdd(vtep.FDBEntry{Link: c.Name, MAC: macB, Remote: vtep.Remote{Addr: addrB}}))
		check(v.SetLinkUp(c.Name, true))
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	close(e.start)
	<-e.done
	b.StopTimer()
	b.ReportMetric(float64(b.N)/float64(e.calls), "frames/write")
	close(e.closed)
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}
