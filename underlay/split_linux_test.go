package underlay

import (
	"errors"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
)

// TestSplitGoesOn: of a superframe whose datagrams go singly, one that is refused for a reason of its own keeps none of
// the others from leaving.
func TestSplitGoesOn(t *testing.T) {
	a, b := newFastWire(t)
	rx := b.listen(t, ReceiverConfig{Port: port})
	tx := a.transmitter(t, TransmitterConfig{})
	singles := 0
	record(tx).refuse = func(m *unix.Msghdr) unix.Errno {
		if joined(m) {
			return unix.EIO
		}
		if singles++; singles == 1 {
			return unix.ENOBUFS
		}
		return 0
	}
	f := inner{}.superframe(t, 4000, 1000)
	want := datagrams(t, f)
	p := framePacket(b.v4, port, f)
	if err := tx.WriteBatch([]encap.Packet{p}); err != nil {
		t.Fatal(err)
	}
	wantDatagrams(t, rx, want[1:], 0)
}

// TestCloseAmidSplit: what was not offered any more by the time of Close is refused, and the batch ends.
func TestCloseAmidSplit(t *testing.T) {
	a, b := newFastWire(t)
	tx := a.transmitter(t, TransmitterConfig{})
	gone, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	check(t, err)
	raw, err := gone.SyscallConn()
	check(t, err)
	check(t, gone.Close())
	s := tx.senders.Borrow(tx.newSender)
	tx.senders.Return(s)
	singles := 0
	record(tx).refuse = func(m *unix.Msghdr) unix.Errno {
		if joined(m) {
			return unix.EIO
		}
		if singles++; singles == 2 { // the first of them leaves, and the socket is gone
			s.sock = &poolSocket{raw: raw}
			return unix.EIO
		}
		return 0
	}
	p, _ := texts(b.v4, 1000, 1000, 1000, 1000)
	if err := tx.WriteBatch(p); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, want %v", err, net.ErrClosed)
	}
	for i, want := range []encap.SendResult{encap.SendOK, encap.SendRefused, encap.SendRefused, encap.SendRefused} {
		if p[i].Result != want {
			t.Errorf("packet %d: result %d, want %d", i, p[i].Result, want)
		}
	}
}
