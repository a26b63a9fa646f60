package underlay

import (
	"fmt"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"golang.org/x/sys/unix"
)

// TestLosses: each datagram that was sent was read or is counted as lost, also after
// the socket was closed.
func TestLosses(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		rx := b.listen(t, ReceiverConfig{Local: b.addr(v6), V6: v6, Port: port, NoGRO: true, Buffer: 64 << 10})
		tx := a.transmitter(t, TransmitterConfig{Local: a.addr(v6), V6: v6, NoSegment: true})
		if l := rx.Losses(); l != (encap.Losses{}) {
			t.Errorf("before anything was sent, %+v were lost", l)
		}
		const sent = 2000
		for i := range sent {
			send(t, tx, encap.SendOK, packet(b.addr(v6), port, fmt.Sprint(i)))
		}
		read := 0
		d := make([]encap.Datagram, 64)
		for read+int(rx.Losses().Overflow) < sent {
			n, err := rx.ReadBatch(0, d)
			if err != nil {
				t.Fatal(err)
			}
			read += n
		}
		before := rx.Losses()
		if read == 0 || read == sent || read+int(before.Overflow) != sent || before.Unreadable != 0 {
			t.Errorf("%d of %d datagrams were read, %+v were lost", read, sent, before)
		}
		if err := rx.Close(); err != nil {
			t.Fatal(err)
		}
		if l := rx.Losses(); l != before {
			t.Errorf("once closed, %+v were lost, before %+v", l, before)
		}
	})
}

// TestUnreadable: a message that the kernel cut, or that has no sender of a family that
// a socket of ours has, is left out, and those after it are right.
func TestUnreadable(t *testing.T) {
	b := newReadBlock()
	for i := range 5 {
		b.names[i].Family = unix.AF_INET
		b.msgs[i].len = uint32(10 + i)
		b.msgs[i].hdr.SetControllen(0)
	}
	b.msgs[0].hdr.Flags = unix.MSG_TRUNC
	b.msgs[1].hdr.Flags = unix.MSG_CTRUNC
	b.names[3].Family = unix.AF_UNIX
	d := make([]encap.Datagram, 5)
	if n := b.datagrams(d, 5); n != 2 || len(d[0].Payload) != 12 || len(d[1].Payload) != 14 {
		t.Errorf("%d datagrams, %v", n, d)
	}
}

// TestLossesBesideFilter: what the filter refuses is no overflow, though the kernel
// counts it at the socket.
func TestLossesBesideFilter(t *testing.T) {
	a, b := newWire(t)
	f := newFilter(t)
	rx := b.listen(t, ReceiverConfig{Local: b.v4, Port: port, Filter: b.gate(t, f, false)})
	tx := a.transmitter(t, TransmitterConfig{Local: a.v4, NoSegment: true})
	const sent = 500
	for i := range sent {
		send(t, tx, encap.SendOK, packet(b.v4, port, fmt.Sprint(i)))
	}
	if l := rx.Losses(); l != (encap.Losses{}) || rx.readers[0].drops < sent {
		t.Errorf("%+v were lost, the kernel counts %d drops", l, rx.readers[0].drops)
	}
}
