package underlay

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/uvtep/uvtep/encap"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// patience bounds every wait for something that must happen.
const patience = 5 * time.Second

// host is a network namespace with eth0, one end of a veth pair. It has
// IPv4 192.0.2.N and IPv6 2001:db8::N, N being 1 or 2.
type host struct {
	ns    netns.NsHandle
	v4    netip.Addr
	v6    netip.Addr
	link6 netip.Addr // link-local
	index int        // of eth0
	mac   net.HardwareAddr
}

// addr is the host's address of one IP version.
func (h *host) addr(v6 bool) netip.Addr {
	if v6 {
		return h.v6
	}
	return h.v4
}

// newWire makes two hosts joined by a veth pair without checksum offload, so
// that what is captured is what a wire would carry.
func newWire(t testing.TB) (a, b *host) { return plug(t, offloadOff) }

// newFastWire is newWire with veth's offloads: joined datagrams cross it whole.
func newFastWire(t testing.TB) (a, b *host) {
	t.Helper()
	return plug(t, func(string) error { return nil })
}

func plug(t testing.TB, offloads func(device string) error) (a, b *host) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root (CAP_SYS_ADMIN and CAP_NET_ADMIN)")
	}
	a, b = newHost(t, 1), newHost(t, 2)
	a.do(t, func() error {
		veth := &netlink.Veth{
			LinkAttrs:     netlink.LinkAttrs{Name: "eth0", MTU: 1600},
			PeerName:      "eth0",
			PeerNamespace: netlink.NsFd(int(b.ns)),
		}
		return netlink.LinkAdd(veth)
	})
	for _, h := range []*host{a, b} {
		h.do(t, func() error { return h.plugIn(offloads) })
	}
	a.do(t, func() error { return a.meet(b) })
	b.do(t, func() error { return b.meet(a) })
	return a, b
}

func newHost(t testing.TB, n byte) *host {
	t.Helper()
	h := &host{
		v4:    netip.AddrFrom4([4]byte{192, 0, 2, n}),
		v6:    netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: n}),
		link6: netip.AddrFrom16([16]byte{0xfe, 0x80, 15: n}),
	}
	errs := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		var err error
		h.ns, err = netns.New()
		errs <- err
	}()
	if err := <-errs; err != nil {
		t.Fatalf("new network namespace: %v", err)
	}
	t.Cleanup(func() { h.ns.Close() })
	return h
}

func (h *host) plugIn(offloads func(device string) error) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	h.index, h.mac = eth0.Attrs().Index, eth0.Attrs().HardwareAddr
	if err := offloads("eth0"); err != nil {
		return err
	}
	for _, l := range []netlink.Link{lo, eth0} {
		if err := netlink.LinkSetUp(l); err != nil {
			return err
		}
	}
	return nil
}

// meet gives the host its addresses and makes traffic to the peer flow from
// the first packet on: reading the link makes the kernel act on its carrier now
// (linkwatch_sync_dev), and known neighbours need no queue.
func (h *host) meet(peer *host) error {
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	if state := eth0.Attrs().OperState; state != netlink.OperUp {
		return fmt.Errorf("eth0 is %s", state)
	}
	for _, p := range []netip.Prefix{netip.PrefixFrom(h.v4, 24), netip.PrefixFrom(h.v6, 64), netip.PrefixFrom(h.link6, 64)} {
		if err := addAddr("eth0", p); err != nil {
			return err
		}
	}
	for _, ip := range []netip.Addr{peer.v4, peer.v6, peer.link6} {
		n := &netlink.Neigh{LinkIndex: h.index, State: netlink.NUD_PERMANENT, IP: ip.AsSlice(), HardwareAddr: peer.mac}
		if err := netlink.NeighSet(n); err != nil {
			return fmt.Errorf("neighbour %s: %w", ip, err)
		}
	}
	return nil
}

// addAddr adds an address and waits until it receives: the kernel makes the
// local route of an IPv6 address from a work queue (addrconf_dad_work).
func addAddr(device string, p netip.Prefix) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return err
	}
	a := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	if err := netlink.AddrAdd(link, a); err != nil {
		return fmt.Errorf("address %s: %w", p, err)
	}
	for start := time.Now(); time.Since(start) < patience; runtime.Gosched() {
		routes, err := netlink.RouteGetWithOptions(p.Addr().AsSlice(), &netlink.RouteGetOptions{OifIndex: link.Attrs().Index})
		if err == nil && routes[0].Type == unix.RTN_LOCAL {
			return nil
		}
		if p.Addr().Is4() {
			return nil
		}
	}
	return fmt.Errorf("address %s is not ready", p)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// offloadOff turns transmit checksum offload off (ETHTOOL_STXCSUM of
// linux/ethtool.h).
func offloadOff(device string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	value := struct{ cmd, data uint32 }{unix.ETHTOOL_STXCSUM, 0}
	ifr := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{data: unsafe.Pointer(&value)}
	copy(ifr.name[:], device)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&ifr))); errno != 0 {
		return fmt.Errorf("ethtool -K %s tx off: %w", device, errno)
	}
	return nil
}

// try runs fn in the host's namespace.
func (h *host) try(fn func() error) error {
	errs := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := netns.Set(h.ns)
		if err == nil {
			err = fn()
		}
		errs <- err
	}()
	return <-errs
}

func (h *host) do(t testing.TB, fn func() error) {
	t.Helper()
	if err := h.try(fn); err != nil {
		t.Fatal(err)
	}
}

func (h *host) tryListen(cfg ReceiverConfig) (r *Receiver, err error) {
	err = h.try(func() error { r, err = Listen(cfg); return err })
	return r, err
}

func (h *host) listen(t testing.TB, cfg ReceiverConfig) *Receiver {
	t.Helper()
	r, err := h.tryListen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (h *host) transmitter(t testing.TB, cfg TransmitterConfig) *Transmitter {
	t.Helper()
	var tx *Transmitter
	h.do(t, func() (err error) { tx, err = OpenTransmitter(cfg); return err })
	t.Cleanup(func() {
		if err := tx.Close(); err != nil {
			t.Error(err)
		}
	})
	return tx
}

// got is a copy of a datagram.
type got struct {
	payload string
	src     netip.AddrPort
	tos     uint8
}

// receive reads n datagrams of worker w.
func receive(t *testing.T, r *Receiver, w, n int) []got {
	t.Helper()
	watchdog := time.AfterFunc(patience, func() { _ = r.Close() })
	defer watchdog.Stop()
	var all []got
	d := make([]encap.Datagram, 50)
	for len(all) < n {
		k, err := r.ReadBatch(w, d)
		if err != nil {
			t.Fatalf("after %d of %d datagrams: %v", len(all), n, err)
		}
		for _, d := range d[:k] {
			if cap(d.Payload) != len(d.Payload) {
				t.Errorf("payload of %d bytes has capacity %d", len(d.Payload), cap(d.Payload))
			}
			size := cmp.Or(int(d.SegSize), len(d.Payload), 1)
			for part := range slices.Chunk(d.Payload, size) {
				all = append(all, got{string(part), netip.AddrPortFrom(d.Src.Netip(), d.SrcPort), d.TOS})
			}
		}
	}
	return all
}

// packet is a packet to port of dst whose frame is text.
func packet(dst netip.Addr, port uint16, text string) encap.Packet {
	return encap.Packet{
		Frame:  encap.Frame{Data: []byte(text)},
		Header: encap.HeaderFor(42),
		Dst:    encap.AddrFrom(dst),
		Port:   port,
	}
}

// payloadOf is the UDP payload that packet(_, _, text) becomes.
func payloadOf(text string) string {
	h := encap.HeaderFor(42)
	return string(h[:]) + text
}

// send sends p, each of which must give want.
func send(t *testing.T, tx *Transmitter, want encap.SendResult, p ...encap.Packet) {
	t.Helper()
	for i := range p {
		p[i].Result = 99
	}
	if err := tx.WriteBatch(p); err != nil {
		t.Fatal(err)
	}
	for i := range p {
		if p[i].Result != want {
			t.Fatalf("packet %d: result %d, want %d", i, p[i].Result, want)
		}
	}
}

// capture is an AF_PACKET socket on a host's eth0 that sees what arrives.
type capture struct {
	fd int
	h  *host
}

func (h *host) capture(t *testing.T) *capture {
	t.Helper()
	c := &capture{h: h}
	h.do(t, func() (err error) {
		all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
		if c.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(c.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			return err
		}
		wait := unix.NsecToTimeval(patience.Nanoseconds())
		if err := unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
			return err
		}
		return unix.Bind(c.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: h.index})
	})
	t.Cleanup(func() { unix.Close(c.fd) })
	return c
}

// udp gives the next UDP packet with the payload.
func (c *capture) udp(t *testing.T, payload string) gopacket.Packet {
	t.Helper()
	buf := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(c.fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			t.Fatalf("no packet with payload %q: %v", payload, err)
		}
		p := gopacket.NewPacket(append([]byte(nil), buf[:n]...), layers.LayerTypeEthernet, gopacket.Default)
		if udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP); ok && string(udp.Payload) == payload {
			return p
		}
	}
}

// inject sends a frame made of layers out of the host's eth0.
func (c *capture) inject(t *testing.T, ls ...gopacket.SerializableLayer) {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
		t.Fatal(err)
	}
	c.injectBytes(t, b.Bytes())
}

func (c *capture) injectBytes(t *testing.T, frame []byte) {
	t.Helper()
	if err := unix.Sendto(c.fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: c.h.index, Halen: 6}); err != nil {
		t.Fatal(err)
	}
}

// eachFamily runs a test on IPv4 and on IPv6.
func eachFamily(t *testing.T, test func(t *testing.T, v6 bool)) {
	t.Helper()
	t.Run("IPv4", func(t *testing.T) { test(t, false) })
	t.Run("IPv6", func(t *testing.T) { test(t, true) })
}

// wantError checks the sentinel and words of an error, and that it is a line.
func wantError(t *testing.T, err, is error, words ...string) {
	t.Helper()
	if err == nil || (is != nil && !errors.Is(err, is)) {
		t.Fatalf("error %v, want %v", err, is)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
	if strings.Count(err.Error(), "underlay:") > 1 || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q is not one line with its package once", err)
	}
}
