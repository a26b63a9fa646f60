package tap

import (
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
)

func TestNoAllocations(t *testing.T) {
	h := onHost(t)
	d := mustOpen(t, Config{Spin: 20 * time.Microsecond})
	mustSet(t, d, Change{Up: new(true)})
	s := packets(t, h, d)
	out := []encap.Frame{{Data: testFrame(60, 1)}, {Data: testFrame(1514, 2)}, inPieces(tcpSuperframe(), maxMore)}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := d.WriteBatch(0, out); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("WriteBatch: %v allocations", n)
	}

	d.super.deny = true
	cut := []encap.Frame{tcpSuperframe(), inPieces(tcpSuperframe(), 10)}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := d.WriteBatch(0, cut); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("WriteBatch that cuts: %v allocations", n)
	}

	in := make([]encap.Frame, 8)
	send := testFrame(60, 3)
	if n := testing.AllocsPerRun(100, func() {
		if err := s.Send(send); err != nil {
			t.Fatal(err)
		}
		if _, err := d.ReadBatch(0, in); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("ReadBatch: %v allocations", n)
	}

	// The same, waiting: the frame comes while the reader waits.
	kick := make(chan struct{})
	defer close(kick)
	go func() {
		for range kick {
			if err := s.Send(send); err != nil {
				t.Error(err)
			}
		}
	}()
	if n := testing.AllocsPerRun(100, func() {
		kick <- struct{}{}
		if _, err := d.ReadBatch(0, in); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("ReadBatch that waits: %v allocations", n)
	}
}

// A device that waits for traffic holds no read buffer.
func TestIdleReaderHoldsNoMemory(t *testing.T) {
	h := onHost(t)
	d := mustOpen(t, Config{})
	mustSet(t, d, Change{Up: new(true)})
	s := packets(t, h, d)
	if err := s.Send(testFrame(60, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadBatch(0, make([]encap.Frame, 1)); err != nil {
		t.Fatal(err)
	}
	q := d.queues[0]
	if q.slab == nil {
		t.Fatal("no buffer behind the frame that was read")
	}
	q.frames, q.n = make([]encap.Frame, 1), 0
	if q.readReady(uintptr(q.fd)) {
		t.Fatal("something to read on an idle device")
	}
	if q.slab != nil {
		t.Error("the buffer is held while there is nothing to read")
	}
}
