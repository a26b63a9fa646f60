package underlay

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// TestEverySocketTellsTheTTL: each socket of a receiver does what was asked of the receiver, those that come later too, and
// one that was another receiver's before what is asked of this one.
func TestEverySocketTellsTheTTL(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		_, b := newWire(t)
		f := newFilter(t)
		rx := b.listen(t, ReceiverConfig{Local: b.addr(v6), V6: v6, Port: port, Workers: 2, Filter: b.gate(t, f, v6)})
		tells(t, rx, 2, false)
		if err := rx.ReportTTL(true); err != nil {
			t.Fatal(err)
		}
		b.do(t, func() error { return rx.OpenAside(nil) })
		tells(t, rx, 3, true)
		files, err := rx.Descriptors()
		if err := errors.Join(err, rx.Stop(), rx.Close()); err != nil {
			t.Fatal(err)
		}
		next := b.listen(t, ReceiverConfig{Local: b.addr(v6), V6: v6, Port: port, Inherited: files})
		tells(t, next, 2, false)
		if err := next.ReportTTL(true); err != nil {
			t.Fatal(err)
		}
		tells(t, next, 2, true)
	})
}

// tells checks how many sockets there are, and whether all tell the TTL.
func tells(t *testing.T, r *Receiver, sockets int, want bool) {
	t.Helper()
	o := ttlOption(&r.cfg)
	n := 0
	r.each(func(rd *reader) {
		n++
		var is int
		var err error
		cerr := rd.raw.Control(func(fd uintptr) { is, err = unix.GetsockoptInt(int(fd), o.level, o.name) })
		if err := errors.Join(err, cerr); err != nil {
			t.Fatal(err)
		}
		if (is != 0) != want {
			t.Errorf("socket %d has %s %d, want it on: %v", n, o.what, is, want)
		}
	})
	if n != sockets {
		t.Errorf("%d sockets, want %d", n, sockets)
	}
}
