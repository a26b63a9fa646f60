package underlay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/gopacket/layers"
	"github.com/uvtep/uvtep/encap"
	"golang.org/x/sys/unix"
)

// groups are two multicast addresses of one IP version.
func groups(v6 bool) (one, two netip.Addr) {
	if v6 {
		return netip.MustParseAddr("ff05::4242"), netip.MustParseAddr("ff05::4343")
	}
	return netip.MustParseAddr("224.1.1.1"), netip.MustParseAddr("224.1.1.2")
}

// joined reports whether the kernel lists group among eth0's.
func (h *host) joined(t *testing.T, group netip.Addr) bool {
	t.Helper()
	file, want := "/proc/thread-self/net/igmp", ""
	if group.Is4() { // in host order, as a little-endian machine prints it
		b := group.As4()
		want = fmt.Sprintf("%02X%02X%02X%02X", b[3], b[2], b[1], b[0])
	} else {
		file, want = "/proc/thread-self/net/igmp6", fmt.Sprintf("%x", group.As16())
	}
	var text []byte
	h.do(t, func() (err error) { text, err = os.ReadFile(file); return err })
	return slices.ContainsFunc(strings.Split(string(text), "\n"), func(line string) bool {
		return strings.Contains(line, want)
	})
}

func TestGroupIsJoinedAndLeft(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		_, b := newWire(t)
		one, _ := groups(v6)
		if b.joined(t, one) {
			t.Fatal("joined before the start")
		}
		cfg := ReceiverConfig{V6: v6, Port: port, Group: one, Interface: b.index, Workers: 3}
		first := b.listen(t, cfg)
		if first.Workers() != 1 {
			t.Errorf("%d workers of a group", first.Workers())
		}
		cfg.Beside = []*Receiver{first}
		second := b.listen(t, cfg)
		if !b.joined(t, one) {
			t.Error("not joined")
		}
		first.Close()
		if !b.joined(t, one) {
			t.Error("left with a receiver open")
		}
		second.Close()
		if b.joined(t, one) {
			t.Error("still joined after the last Close")
		}
	})
}

func TestGroupReceiversHearTheirGroupAlone(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		one, two := groups(v6)
		unicast := b.listen(t, ReceiverConfig{V6: v6, Port: port})
		cfg := ReceiverConfig{V6: v6, Port: port, Interface: b.index, Local: b.addr(v6), Beside: []*Receiver{unicast}}
		cfg.Group = one
		rx1 := b.listen(t, cfg)
		cfg.Group = two
		rx2 := b.listen(t, cfg)
		tx := a.transmitter(t, TransmitterConfig{V6: v6, Local: a.addr(v6), MulticastInterface: a.index, MulticastLoop: true})
		wire := b.capture(t)
		p := []encap.Packet{packet(one, port, "one"), packet(two, port, "two"), packet(b.addr(v6), port, "unicast")}
		send(t, tx, encap.SendOK, p...)
		send(t, tx, encap.SendOK, p...)
		for rx, want := range map[*Receiver]string{rx1: "one", rx2: "two", unicast: "unicast"} {
			for _, g := range receive(t, rx, 0, 2) {
				if g.payload != payloadOf(want) || g.src.Addr() != a.addr(v6) {
					t.Errorf("receiver of %q got %+v", want, g)
				}
			}
		}
		seen := wire.udp(t, payloadOf("one"))
		if _, ttl := outer(t, seen, true); ttl != 1 {
			t.Errorf("multicast with TTL %d, want 1 (conformance L08)", ttl)
		}
		if eth := seen.LinkLayer().(*layers.Ethernet); eth.DstMAC[0]&1 == 0 {
			t.Errorf("multicast to MAC %s", eth.DstMAC)
		}
		p[0].TTL = 5
		send(t, tx, encap.SendOK, p[0])
		for ttl := uint8(1); ttl != 5; {
			_, ttl = outer(t, wire.udp(t, payloadOf("one")), true)
		}
	})
}

func TestGroupBesideOthers(t *testing.T) {
	a, b := newWire(t)
	one, _ := groups(false)
	wildcard := b.listen(t, ReceiverConfig{Port: port, Workers: 2})
	cfg := ReceiverConfig{Port: port, Group: one, Interface: b.index}
	_, err := b.tryListen(cfg)
	wantError(t, err, ErrPortInUse)
	cfg.Beside = []*Receiver{wildcard}
	b.listen(t, cfg)
	own := b.listen(t, ReceiverConfig{Port: port, Local: b.v4, Beside: []*Receiver{wildcard}, Workers: 2})
	// The port is shut again for those who are not named.
	_, err = b.tryListen(ReceiverConfig{Port: port})
	wantError(t, err, ErrPortInUse)
	for _, addr := range []string{"0.0.0.0:4789", "127.0.0.1:4789", "192.0.2.2:4789"} {
		b.strangerIsRefused(t, addr)
	}
	tx := a.transmitter(t, single(false))
	watch := make(chan got, 2)
	for w := range 2 {
		go func() {
			d := make([]encap.Datagram, 1)
			if n, _ := own.ReadBatch(w, d); n == 1 {
				watch <- got{payload: string(d[0].Payload)}
			}
		}()
	}
	send(t, tx, encap.SendOK, packet(b.v4, port, "to the address"))
	if g := <-watch; g.payload != payloadOf("to the address") {
		t.Errorf("received %q", g.payload)
	}
	wildcard.Close()
	b.strangerIsRefused(t, "192.0.2.2:4789")
	// A closed receiver beside is none.
	b.listen(t, ReceiverConfig{Port: port, Local: a.v4, Beside: []*Receiver{wildcard}})
}

// strangerIsRefused binds addr as a process would that wants to share it.
func (h *host) strangerIsRefused(t *testing.T, addr string) {
	t.Helper()
	stranger := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		cerr := raw.Control(func(fd uintptr) {
			err = setOptions(int(fd), option{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1, "SO_REUSEADDR"})
		})
		return errors.Join(cerr, err)
	}}
	err := h.Do(func() error {
		c, err := stranger.ListenPacket(t.Context(), "udp4", addr)
		if err == nil {
			c.Close()
		}
		return err
	})
	if !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("a stranger with SO_REUSEADDR binds %s: %v", addr, err)
	}
}

func TestMulticastLoop(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, _ := newWire(t)
		one, _ := groups(v6)
		rx := a.listen(t, ReceiverConfig{V6: v6, Port: port, Group: one, Interface: a.index})
		quiet := a.transmitter(t, TransmitterConfig{V6: v6, MulticastInterface: a.index})
		loud := a.transmitter(t, TransmitterConfig{V6: v6, MulticastInterface: a.index, MulticastLoop: true})
		send(t, quiet, encap.SendOK, packet(one, port, "quiet"))
		send(t, loud, encap.SendOK, packet(one, port, "loud"))
		if g := receive(t, rx, 0, 1)[0]; g.payload != payloadOf("loud") {
			t.Errorf("heard %q", g.payload)
		}
		// The packet's interface goes before the transmitter's.
		p := packet(one, port, "zone")
		p.Zone = uint32(a.index)
		plain := a.transmitter(t, TransmitterConfig{V6: v6, MulticastLoop: true})
		send(t, plain, encap.SendOK, p)
		receive(t, rx, 0, 1)
	})
}
