package underlay

import (
	"net/netip"
	"strings"
	"testing"
	"unsafe"

	"github.com/uvtep/uvtep/encap"
	"golang.org/x/sys/unix"
)

func wantOffloads(t *testing.T, tx *Transmitter, segments int, reason string) {
	t.Helper()
	o := tx.Offloads()
	if o.Segments != segments || (reason == "") != (o.Reason == "") || !strings.Contains(o.Reason, reason) {
		t.Errorf("offloads %+v, want %d segments because %q", o, segments, reason)
	}
}

func TestOffloadsAsConfigured(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, _ := newWire(t)
		wantOffloads(t, a.transmitter(t, TransmitterConfig{V6: v6}), mostSegments, "")
		wantOffloads(t, a.transmitter(t, TransmitterConfig{V6: v6, NoSegment: true}), 1, "switched off")
		wantOffloads(t, a.transmitter(t, TransmitterConfig{V6: v6, NoChecksum: true}), 1, "without checksums")
	})
}

// TestKernelRefusesJoining: sockets without checksum make the kernel say
// EINVAL to every joined message (udp_send_skb in net/ipv4/udp.c).
func TestKernelRefusesJoining(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newFastWire(t)
		rx := b.listen(t, ReceiverConfig{V6: v6, Port: port, ZeroChecksum6: true})
		cfg := single(v6)
		tx := a.transmitter(t, cfg)
		seen := record(tx)
		if err := tx.sockets[0].raw.Control(func(fd uintptr) {
			o := option{unix.SOL_SOCKET, unix.SO_NO_CHECK, 1, "SO_NO_CHECK"}
			if v6 {
				o = option{unix.IPPROTO_UDP, unix.UDP_NO_CHECK6_TX, 1, "UDP_NO_CHECK6_TX"}
			}
			if err := setOptions(int(fd), o); err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
		for round := range 2 {
			p, want := texts(b.addr(v6), append(repeat(64, 200), 60)...)
			f := inner{v6: true}.superframe(t, 100*500, 500)
			p = append(p, framePacket(b.addr(v6), port, f))
			send(t, tx, encap.SendOK, p...)
			wantDatagrams(t, rx, append(want, datagrams(t, f)...), 0)
			wantOffloads(t, tx, 1, "invalid argument")
			if round == 1 && seen.refused != 0 {
				t.Errorf("%d messages refused after the refusal was known", seen.refused)
			}
			seen.refused = 0
		}
	})
}

// TestKernelTakesFewerSegments: this kernel refuses 256 as an older one does
// 128.
func TestKernelTakesFewerSegments(t *testing.T) {
	a, b := newFastWire(t)
	rx := b.listen(t, ReceiverConfig{Port: port})
	tx := a.transmitter(t, TransmitterConfig{})
	tx.segments.limit.Store(256)
	seen := record(tx)
	for round := range 2 {
		p, want := texts(b.v4, append(repeat(64, 255), 40)...)
		send(t, tx, encap.SendOK, p...)
		wantDatagrams(t, rx, want, 0)
		wantOffloads(t, tx, sureSegments, "63 datagrams: invalid argument")
		if seen.messages != 5 || seen.refused != 1-round {
			t.Errorf("round %d: %d messages, %d refused, want 5 and %d", round, seen.messages, seen.refused, 1-round)
		}
		seen.messages, seen.refused = 0, 0
	}
}

// TestRefusalsOfOtherKernels puts errors in the kernel's place that this one
// does not give.
func TestRefusalsOfOtherKernels(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EIO, unix.ENOPROTOOPT, unix.EOPNOTSUPP, unix.EINVAL} {
		t.Run(errno.Error(), func(t *testing.T) {
			a, b := newFastWire(t)
			rx := b.listen(t, ReceiverConfig{Port: port})
			tx := a.transmitter(t, TransmitterConfig{})
			record(tx).refuse = func(m *unix.Msghdr) unix.Errno {
				if joined(m) {
					return errno
				}
				return 0
			}
			p, want := texts(b.v4, 50, 60, 60, 50, 60, 60, 60)
			f := inner{}.superframe(t, 60000, 1448)
			p = append(p, framePacket(b.v4, port, f), packet(b.v4, port, "last"))
			send(t, tx, encap.SendOK, p...)
			wantDatagrams(t, rx, append(append(want, datagrams(t, f)...), payloadOf("last")), 0)
			wantOffloads(t, tx, 1, errno.Error())
		})
	}
}

// TestPathsFaultIsNotHeldAgainstJoining: errors that single datagrams get too.
func TestPathsFaultIsNotHeldAgainstJoining(t *testing.T) {
	a, b := newFastWire(t)
	// EINVAL of a source address that is not configured.
	tx := a.transmitter(t, TransmitterConfig{Local: netip.MustParseAddr("192.0.2.77")})
	p, _ := texts(b.v4, repeat(64, 100)...)
	send(t, tx, encap.SendUnreachable, append(p, framePacket(b.v4, port, inner{}.superframe(t, 9000, 1000)))...)
	wantOffloads(t, tx, mostSegments, "")
	// No route.
	tx = a.transmitter(t, TransmitterConfig{})
	p, _ = texts(netip.MustParseAddr("198.51.100.9"), repeat(64, 100)...)
	send(t, tx, encap.SendUnreachable, p...)
	wantOffloads(t, tx, mostSegments, "")
}

// TestJoinedTooBig: the kernel says EMSGSIZE to a joined message without a
// word of the path's MTU, older ones EINVAL; what single datagrams would have
// told must be known nevertheless.
func TestJoinedTooBig(t *testing.T) {
	for name, old := range map[string]bool{"this kernel": false, "older kernel": true} {
		t.Run(name, func(t *testing.T) {
			eachFamily(t, func(t *testing.T, v6 bool) { testJoinedTooBig(t, v6, old) })
		})
	}
}

func testJoinedTooBig(t *testing.T, v6, old bool) {
	a, b := newWire(t)
	rx := b.listen(t, ReceiverConfig{V6: v6, Port: port})
	tx := a.transmitter(t, single(v6))
	dst := b.addr(v6)
	largest, larger := fits(1600, v6)
	if old {
		record(tx).refuse = func(m *unix.Msghdr) unix.Errno {
			first := unsafe.Slice(m.Iov, packetIovecs)
			if joined(m) && int(first[0].Len+first[1].Len) > len(payloadOf(largest)) {
				return unix.EINVAL
			}
			return 0
		}
	}
	p := []encap.Packet{packet(dst, port, larger), packet(dst, port, larger), packet(dst, port, "small"),
		framePacket(dst, port, inner{}.superframe(t, 60001, 1600)), packet(dst, port, largest), packet(dst, port, largest)}
	if err := tx.WriteBatch(p); err != nil {
		t.Fatal(err)
	}
	for i, want := range []encap.SendResult{encap.SendTooBig, encap.SendTooBig, encap.SendOK, encap.SendTooBig, encap.SendOK, encap.SendOK} {
		if p[i].Result != want {
			t.Errorf("packet %d: result %d, want %d", i, p[i].Result, want)
		}
	}
	wantPathMTU(t, a, tx, dst, 1600, 1600)
	wantDatagrams(t, rx, []string{payloadOf("small"), payloadOf(largest), payloadOf(largest)}, 0)
	wantOffloads(t, tx, mostSegments, "")
}

// TestJoinedTooBigButMayBeFragmented: single datagrams are.
func TestJoinedTooBigButMayBeFragmented(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		rx := b.listen(t, ReceiverConfig{V6: v6, Port: port})
		tx := a.transmitter(t, TransmitterConfig{V6: v6, DF: DFUnset})
		f := inner{}.superframe(t, 9000, 2000)
		send(t, tx, encap.SendOK, framePacket(b.addr(v6), port, f))
		wantDatagrams(t, rx, datagrams(t, f), 0)
		wantOffloads(t, tx, mostSegments, "")
	})
}

func TestPendingErrorLosesNoSuperframe(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newFastWire(t)
		tx := a.transmitter(t, single(v6))
		rx := b.listen(t, ReceiverConfig{V6: v6, Port: port})
		f := inner{udp: true}.superframe(t, 30000, 1000)
		for range 4 { // within the peer's burst of ICMP errors
			send(t, tx, encap.SendOK, framePacket(b.addr(v6), 4000, f))
			awaitError(t, tx)
			send(t, tx, encap.SendOK, framePacket(b.addr(v6), port, f))
			wantDatagrams(t, rx, datagrams(t, f), 0)
		}
		wantOffloads(t, tx, mostSegments, "")
	})
}

// TestPartialLoss: a superframe whose second message is lost was not sent.
func TestPartialLoss(t *testing.T) {
	for _, c := range []struct {
		name   string
		errnos []unix.Errno // by message
		want   encap.SendResult
	}{
		{"first", []unix.Errno{unix.ENOBUFS, 0, 0}, encap.SendNoBuffer},
		{"second", []unix.Errno{0, unix.ENOBUFS, 0}, encap.SendNoBuffer},
		{"last", []unix.Errno{0, 0, unix.EPERM}, encap.SendRefused},
		{"all", []unix.Errno{unix.EPERM, unix.ENOBUFS, unix.EPERM}, encap.SendRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := newFastWire(t)
			tx := a.transmitter(t, TransmitterConfig{})
			const limit = 43
			tx.segments.limit.Store(limit)
			f := inner{udp: true}.superframe(t, 128*18, 18) // 43, 43 and 42 segments
			next := map[*unix.Iovec]int{}
			record(tx).refuse = func(m *unix.Msghdr) unix.Errno {
				if _, ok := next[m.Iov]; !ok {
					next[m.Iov] = len(next)
				}
				return c.errnos[next[m.Iov]]
			}
			p := framePacket(b.v4, port, f)
			send(t, tx, c.want, p)
			wantOffloads(t, tx, limit, "")
		})
	}
}

// TestTooBigIsTheResultThatCounts: an inner sender can act on it alone.
func TestTooBigIsTheResultThatCounts(t *testing.T) {
	a, b := newFastWire(t)
	tx := a.transmitter(t, TransmitterConfig{})
	tx.segments.limit.Store(sureSegments)
	offers := 0
	record(tx).refuse = func(*unix.Msghdr) unix.Errno {
		if offers++; offers == 1 {
			return unix.ENOBUFS
		}
		return unix.EMSGSIZE
	}
	send(t, tx, encap.SendTooBig, framePacket(b.v4, port, inner{udp: true}.superframe(t, 128*18, 18)))
}
