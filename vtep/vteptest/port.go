package vteptest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
)

// TestEtherType marks the frames of [TestPort]: IEEE 802 local experimental
// EtherType 1. What else a host sends on its own, the suite overlooks.
const TestEtherType uint16 = 0x88b5

// patience is how long a suite waits for what must come.
const patience = 10 * time.Second

// HostSide is the other side of a port, that of the host's stack.
type HostSide interface {
	// Send hands a frame to the port. When it returns, the port can read it.
	Send(frame []byte) error
	// Receive waits for the next frame for which [IsTest] holds that the port gave
	// to the host.
	Receive(timeout time.Duration) ([]byte, error)
}

// TestPort checks what vtep.Port promises. open makes a port with one queue,
// whose device is up, and is called once for each subtest.
func TestPort(t *testing.T, open func(t testing.TB) (vtep.Port, HostSide)) {
	for _, tt := range []struct {
		name string
		run  func(*portTest)
	}{
		{"read", (*portTest).read},
		{"read waits", (*portTest).readWaits},
		{"borrowed", (*portTest).borrowed},
		{"write", (*portTest).write},
		{"write tagged", (*portTest).writeTagged},
		{"write keeps nothing", (*portTest).writeKeepsNothing},
		{"write concurrently", (*portTest).writeConcurrently},
		{"close", (*portTest).closed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			port, host := open(t)
			if n := port.Queues(); n != 1 {
				t.Fatalf("%d queues, want 1", n)
			}
			// A read that should not wait ends all the same.
			stuck := time.AfterFunc(patience, func() { _ = port.Close() })
			defer stuck.Stop()
			tt.run(&portTest{T: t, port: port, host: host})
		})
	}
}

// portTest is one subtest of TestPort.
type portTest struct {
	*testing.T
	port vtep.Port
	host HostSide
}

// numbered is a frame of size bytes that says n.
func numbered(n, size int) []byte {
	b := make([]byte, max(size, 64))
	copy(b, []byte{0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1})
	binary.BigEndian.PutUint16(b[12:], TestEtherType)
	for i := 14; i < len(b); i++ {
		b[i] = byte(n + i)
	}
	binary.BigEndian.PutUint32(b[14:], uint32(n))
	return b
}

func isNumbered(b []byte) bool { return IsTest(b) && binary.BigEndian.Uint16(b[12:]) == TestEtherType }

// IsTest reports whether a frame is one of [TestPort]'s, with a VLAN tag or
// without.
func IsTest(b []byte) bool {
	return len(b) >= 22 && (binary.BigEndian.Uint16(b[12:]) == TestEtherType ||
		binary.BigEndian.Uint16(b[12:]) == encap.EtherTypeVLAN && binary.BigEndian.Uint16(b[16:]) == TestEtherType)
}

// send hands the host's frames first to first+n-1 to the port.
func (p *portTest) send(first, n, size int) {
	p.Helper()
	for i := range n {
		if err := p.host.Send(numbered(first+i, size)); err != nil {
			p.Fatalf("the host cannot send: %v", err)
		}
	}
}

// batch reads until a batch holds numbered frames, and returns those.
func (p *portTest) batch(room int) []encap.Frame {
	p.Helper()
	frames := make([]encap.Frame, room)
	for {
		n, err := p.port.ReadBatch(0, frames)
		if err != nil {
			p.Fatalf("ReadBatch: %v", err)
		}
		if n < 1 || n > room {
			p.Fatalf("ReadBatch with room for %d gave %d", room, n)
		}
		var own []encap.Frame
		for _, f := range frames[:n] {
			if isNumbered(f.Data) {
				own = append(own, f)
			}
		}
		if len(own) > 0 {
			return own
		}
	}
}

// read: all frames arrive whole and in order, however much room a batch has.
func (p *portTest) read() {
	const count = 20
	for _, room := range []int{1, 3, 64} {
		for _, size := range []int{64, 65, 1514} {
			p.send(0, count, size)
			for n := 0; n < count; {
				for _, f := range p.batch(room) {
					if !bytes.Equal(f.Data, numbered(n, size)) {
						p.Fatalf("room %d, size %d: frame %d is %x", room, size, n, f.Data)
					}
					if f.Offload != (encap.Offload{}) {
						p.Fatalf("an ordinary frame has offload %+v", f.Offload)
					}
					n++
				}
			}
		}
	}
}

// readWaits: a read that finds nothing waits for the next frame.
func (p *portTest) readWaits() {
	sent := make(chan error, 1)
	go func() {
		time.Sleep(20 * time.Millisecond) // let the reader wait
		sent <- p.host.Send(numbered(1, 64))
	}()
	got := p.batch(64)
	if len(got) != 1 || !bytes.Equal(got[0].Data, numbered(1, 64)) {
		p.Fatalf("read %d frames", len(got))
	}
	if err := <-sent; err != nil {
		p.Fatal(err)
	}
}

// borrowed: frames may be written to, up to their capacity, and stay as they
// are until the next read of the queue whatever the host sends meanwhile.
func (p *portTest) borrowed() {
	p.send(0, 8, 100)
	got := p.batch(64)
	if len(got) != 8 {
		p.Fatalf("8 frames that were there came in a batch of %d", len(got))
	}
	p.send(8, 8, 100)
	for i := range got {
		if !bytes.Equal(got[i].Data, numbered(i, 100)) {
			p.Fatalf("frame %d changed before the next read: %x", i, got[i].Data)
		}
		whole := got[i].Data[:cap(got[i].Data)]
		for j := range whole {
			whole[j] = 0xee
		}
	}
	for i, f := range p.batch(64) {
		if !bytes.Equal(f.Data, numbered(8+i, 100)) {
			p.Fatalf("frame %d after one was written to: %x", 8+i, f.Data)
		}
	}
}

// frames are numbered ones to write.
func numberedFrames(first, n, size int) []encap.Frame {
	frames := make([]encap.Frame, n)
	for i := range frames {
		frames[i].Data = numbered(first+i, size)
	}
	return frames
}

// receive takes the next frame on the host's side.
func (p *portTest) receive() []byte {
	p.Helper()
	b, err := p.host.Receive(patience)
	if err != nil {
		p.Fatalf("the host got no frame: %v", err)
	}
	return b
}

// write: the host gets what was written, whole and in order, and the caller
// keeps it unchanged.
func (p *portTest) write() {
	for _, size := range []int{64, 65, 1514} {
		for _, n := range []int{0, 1, 3, 64} {
			frames := numberedFrames(n, n, size)
			if taken, err := p.port.WriteBatch(0, frames); taken != n || err != nil {
				p.Fatalf("WriteBatch of %d: %d, %v", n, taken, err)
			}
			for i := range frames {
				if got := p.receive(); !bytes.Equal(got, numbered(n+i, size)) {
					p.Fatalf("size %d: the host got %x as frame %d of %d", size, got, i, n)
				}
				if !bytes.Equal(frames[i].Data, numbered(n+i, size)) {
					p.Fatalf("size %d: WriteBatch changed frame %d", size, i)
				}
			}
		}
	}
}

// writeTagged: a VLAN beside a frame is a tag in what the host gets.
func (p *portTest) writeTagged() {
	frames := numberedFrames(0, 3, 100)
	for i, vlan := range []uint16{1, 0, encap.MaxVLAN} {
		frames[i].VLAN = vlan
	}
	if n, err := p.port.WriteBatch(0, frames); n != len(frames) || err != nil {
		p.Fatalf("WriteBatch: %d, %v", n, err)
	}
	for i := range frames {
		if got, want := p.receive(), encap.AppendTagged(nil, &frames[i]); !bytes.Equal(got, want) {
			p.Errorf("the host got %x, want %x", got, want)
		}
		if !bytes.Equal(frames[i].Data, numbered(i, 100)) {
			p.Errorf("WriteBatch changed frame %d", i)
		}
	}
}

// writeKeepsNothing: the memory is the caller's again after WriteBatch.
func (p *portTest) writeKeepsNothing() {
	frames := numberedFrames(0, 8, 100)
	if n, err := p.port.WriteBatch(0, frames); n != 8 || err != nil {
		p.Fatalf("WriteBatch: %d, %v", n, err)
	}
	for i := range frames {
		for j := range frames[i].Data {
			frames[i].Data[j] = 0xee
		}
	}
	for i := range frames {
		if got := p.receive(); !bytes.Equal(got, numbered(i, 100)) {
			p.Fatalf("frame %d: the host got %x", i, got)
		}
	}
}

// writeConcurrently: writers do not mix up each other's frames, and a writer's
// stay in order.
func (p *portTest) writeConcurrently() {
	const writers, count = 4, 25
	var wg sync.WaitGroup
	errs := make(chan error, writers)
	for w := range writers {
		wg.Go(func() {
			if n, err := p.port.WriteBatch(0, numberedFrames(w*1000, count, 200)); n != count || err != nil {
				errs <- fmt.Errorf("WriteBatch: %d, %w", n, err)
			}
		})
	}
	var next [writers]int
	for range writers * count {
		got := p.receive()
		n := int(binary.BigEndian.Uint32(got[14:]))
		w := n / 1000
		if w >= writers || n%1000 != next[w] || !bytes.Equal(got, numbered(n, 200)) {
			p.Fatalf("the host got frame %d: %x", n, got)
		}
		next[w]++
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		p.Error(err)
	}
}

// closed: Close wakes the reader, and the port is of no more use.
func (p *portTest) closed() {
	read := make(chan error, 1)
	go func() {
		for {
			if _, err := p.port.ReadBatch(0, make([]encap.Frame, 4)); err != nil {
				read <- err
				return
			}
		}
	}()
	time.Sleep(20 * time.Millisecond) // let the reader wait
	if err := p.port.Close(); err != nil {
		p.Fatalf("Close: %v", err)
	}
	select {
	case err := <-read:
		if !errors.Is(err, os.ErrClosed) {
			p.Errorf("the reader was given %v, want os.ErrClosed", err)
		}
	case <-time.After(patience):
		p.Fatal("Close did not wake the reader")
	}
	if n, err := p.port.ReadBatch(0, make([]encap.Frame, 4)); n != 0 || !errors.Is(err, os.ErrClosed) {
		p.Errorf("ReadBatch of a closed port: %d, %v, want os.ErrClosed", n, err)
	}
	if n, err := p.port.WriteBatch(0, numberedFrames(0, 1, 64)); n != 0 || err == nil {
		p.Errorf("WriteBatch to a closed port: %d, %v, want an error", n, err)
	}
}
