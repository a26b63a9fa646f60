package tap

import (
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
)

// TestLosses: each frame that the host sent was read or is counted as lost, from when
// the device was opened on, and so does what a read gave that is no frame.
func TestLosses(t *testing.T) {
	h := onHost(t)
	const sent, room = 3000, 100
	flood := func(c Config) (read int, l encap.Losses) {
		d, err := Open(c)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		mustSet(t, d, Change{Up: new(true)})
		s := packets(t, h, d)
		for i := range sent {
			if err := s.Send(testFrame(60, uint32(i))); err != nil && !errors.Is(err, unix.ENOBUFS) {
				t.Fatal(err)
			}
		}
		if err := s.Send(testFrame(60, sent)); err != nil && !errors.Is(err, unix.ENOBUFS) { // it is lost, too
			t.Fatal(err)
		}
		frames := make([]encap.Frame, 64)
		for {
			if l, err = d.Losses(); err != nil {
				t.Fatal(err)
			}
			if read+int(l.Overflow) >= sent+1 {
				return read, l
			}
			n, err := d.ReadBatch(0, frames)
			if err != nil {
				t.Fatal(err)
			}
			for i := range frames[:n] {
				if binary.BigEndian.Uint16(frames[i].Data[12:]) == 0x88b5 {
					read++
				}
			}
		}
	}
	c := Config{Name: "keep0", TxQueueLen: room, Persist: true}
	for range 2 { // the netdev's counter goes on where it was
		if read, l := flood(c); read != room || l.Overflow != sent+1-room || l.Unreadable != 0 {
			t.Errorf("%d of %d frames were read, %+v were lost", read, sent+1, l)
		}
	}
}

// TestUnreadable: what a queue gives that is no frame is counted.
func TestUnreadable(t *testing.T) {
	q := queue{frames: make([]encap.Frame, 4)}
	for _, b := range [][]byte{nil, make([]byte, 9), {1: 3, 9: 0}, {1: 2, 59: 0}, {1: vnetGSOTCPv4, 59: 0}} {
		if q.take(b) {
			t.Errorf("%d bytes were taken for a frame: %x", len(b), b)
		}
	}
	if !q.take(make([]byte, 60)) || q.n != 1 {
		t.Error("a frame was not taken")
	}
}
