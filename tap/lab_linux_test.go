package tap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
)

// Addresses of the tests: the host side of the TAP and the peer behind it.
var (
	hostIP  = netip.MustParseAddr("192.0.2.1")
	peerIP  = netip.MustParseAddr("192.0.2.2")
	hostMAC = encap.MAC{0x02, 0, 0x5e, 0x10, 0, 1}
	peerMAC = encap.MAC{0x02, 0, 0x5e, 0x10, 0, 2}
)

// onHost puts the test's goroutine on a host of a lab of its own, until it ends.
func onHost(t testing.TB) *lab.Host {
	t.Helper()
	h := newHost(t, lab.ForTest(t), "home")
	check(t, h.Enter())
	return h
}

// newHost makes a host without IPv6, so that the kernel sends nothing by itself
// through a netdev that comes up.
func newHost(t testing.TB, l *lab.Lab, name string) *lab.Host {
	t.Helper()
	h, err := l.Host(name)
	check(t, err)
	ipv6(t, h, "default", false)
	return h
}

// ipv6 switches IPv6 of a netdev on or off, or of those to come ("default"), if the
// kernel has it.
func ipv6(t testing.TB, h *lab.Host, dev string, on bool) {
	t.Helper()
	off := "1"
	if on {
		off = "0"
	}
	if err := h.Sysctl("net.ipv6.conf."+dev+".disable_ipv6", off); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// drop takes a capability from the test's thread, for the rest of its life.
func drop(t *testing.T, capability uint) {
	t.Helper()
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		t.Fatal(err)
	}
	data[0].Effective &^= 1 << capability
	if err := unix.Capset(&hdr, &data[0]); err != nil {
		t.Fatal(err)
	}
}

func mustOpen(t testing.TB, c Config) *Device {
	t.Helper()
	d, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func mustSet(t testing.TB, d *Device, ch Change) {
	t.Helper()
	if err := d.Set(ch); err != nil {
		t.Fatal(err)
	}
}

func mustState(t testing.TB, d *Device) State {
	t.Helper()
	s, err := d.State()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustLink(t testing.TB, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// openHost opens a TAP of h with an address of the host side, up, behind which peer
// is a known neighbour.
func openHost(t testing.TB, h *lab.Host, c Config, host, peer netip.Addr, mac, neigh encap.MAC) *Device {
	t.Helper()
	c.MAC = mac
	d := mustOpen(t, c)
	mustSet(t, d, Change{Up: new(true)})
	addPeer(t, h, mustState(t, d).Name, host, peer, neigh)
	return d
}

// addPeer gives the netdev an address, and a neighbour behind it.
func addPeer(t testing.TB, h *lab.Host, name string, host, peer netip.Addr, neigh encap.MAC) {
	t.Helper()
	check(t, h.AddAddr(name, netip.PrefixFrom(host, host.BitLen()-8)))
	check(t, h.SetNeighbour(name, peer, neigh[:]))
}

// packets opens a socket for raw frames on the netdev of d, which is on h.
func packets(t *testing.T, h *lab.Host, d *Device) *lab.PacketSocket {
	t.Helper()
	s, err := h.OpenPacket(mustState(t, d).Name)
	check(t, err)
	return s
}

// seen waits for a frame that is want, and throws others away.
func seen(t *testing.T, s *lab.PacketSocket, want []byte) {
	t.Helper()
	if _, err := s.WaitFor(func(p lab.Packet) bool { return bytes.Equal(p.Data, want) }, 5*time.Second); err != nil {
		t.Fatalf("the frame of %d bytes was not seen: %v", len(want), err)
	}
}

// testFrame is a frame of an experimental EtherType (IEEE 802 section 9.2.4)
// that the stack does not answer, with a number in it.
func testFrame(size int, number uint32) []byte {
	b := make([]byte, size)
	copy(b[0:6], hostMAC[:])
	copy(b[6:12], peerMAC[:])
	binary.BigEndian.PutUint16(b[12:14], 0x88b5)
	binary.BigEndian.PutUint32(b[14:18], number)
	return b
}

// ipv4Frame is an Ethernet frame from the peer to the host with the IPv4
// payload l4, of which the checksum field at csumOffset gets the folded
// pseudo-header sum (RFC 793 section 3.1, RFC 768).
func ipv4Frame(proto uint8, l4 []byte, csumOffset int) []byte {
	b := make([]byte, 34+len(l4))
	copy(b[0:6], hostMAC[:])
	copy(b[6:12], peerMAC[:])
	binary.BigEndian.PutUint16(b[12:14], unix.ETH_P_IP)
	ip := b[14:34]
	ip[0] = 0x45
	binary.BigEndian.PutUint16(ip[2:4], uint16(20+len(l4)))
	ip[8], ip[9] = 64, proto
	copy(ip[12:16], peerIP.AsSlice())
	copy(ip[16:20], hostIP.AsSlice())
	binary.BigEndian.PutUint16(ip[10:12], ^onesSum(0, ip))
	copy(b[34:], l4)
	pseudo := onesSum(uint32(proto)+uint32(len(l4)), ip[12:20])
	binary.BigEndian.PutUint16(b[34+csumOffset:], pseudo)
	return b
}

// onesSum is the ones' complement sum of RFC 1071, written the slow way.
func onesSum(start uint32, b []byte) uint16 {
	sum := start
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

// udpFrame is a datagram from the peer to the host's port, its checksum
// partial.
func udpFrame(port uint16, payload []byte) []byte {
	udp := make([]byte, 8+len(payload))
	binary.BigEndian.PutUint16(udp[0:2], 4000)
	binary.BigEndian.PutUint16(udp[2:4], port)
	binary.BigEndian.PutUint16(udp[4:6], uint16(len(udp)))
	copy(udp[8:], payload)
	return ipv4Frame(unix.IPPROTO_UDP, udp, 6)
}

// readOne reads until a frame satisfies want.
func readOne(t *testing.T, d *Device, want func(*encap.Frame) bool) encap.Frame {
	t.Helper()
	frames := make([]encap.Frame, 8)
	for {
		n, err := d.ReadBatch(0, frames)
		if err != nil {
			t.Fatal(err)
		}
		for i := range frames[:n] {
			if want(&frames[i]) {
				return frames[i]
			}
		}
	}
}

// openFDs lists the open queues, sockets and namespaces. The runtime opens and
// closes files of its own (cgroup limits) as it sees fit.
func openFDs(t *testing.T) []string {
	t.Helper()
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var open []string
	for _, e := range entries {
		target, err := os.Readlink(dir + "/" + e.Name())
		if err != nil {
			continue // the descriptor of ReadDir itself
		}
		for _, prefix := range []string{"/dev/net/tun", "socket:", "net:", "/proc/"} {
			if strings.HasPrefix(target, prefix) {
				open = append(open, target)
			}
		}
	}
	slices.Sort(open)
	return open
}
