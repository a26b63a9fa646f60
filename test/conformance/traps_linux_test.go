package conformance

import (
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// kernelPair is a daemon on the host a and a VTEP of the kernel on b, on one
// machine, joined by a veth pair: the lab that springs the traps.
type kernelPair struct {
	*testing.T
	a, b *lab.Host
	wire *lab.Wire
}

// overlay addresses, by whether they are IPv6: a's, b's.
func overlay(v6 bool) [2]netip.Prefix {
	if v6 {
		return [2]netip.Prefix{netip.MustParsePrefix("2001:db8:2::1/64"), netip.MustParsePrefix("2001:db8:2::2/64")}
	}
	return [2]netip.Prefix{netip.MustParsePrefix("198.51.100.1/24"), netip.MustParsePrefix("198.51.100.2/24")}
}

// newKernelPair starts both with the words for the daemon and edit for the
// kernel.
func newKernelPair(t *testing.T, f family, o lab.WireOptions, words string, edit func(*lab.KernelVXLAN)) *kernelPair {
	t.Helper()
	l := lab.ForTest(t)
	lab.NeedKernelVXLAN(t)
	k := &kernelPair{T: t, a: must(l.Host("a"))(t), b: must(l.Host("b"))(t)}
	k.wire = must(l.Wire(k.a, k.b, o))(t)
	remote := f.peers[0]
	check(t, k.a.AddAddr(k.wire.A, f.local), k.b.AddAddr(k.wire.B, netip.PrefixFrom(remote, f.local.Bits())))
	v := lab.KernelVXLAN{Name: "vxlan0", VNI: 42, Local: remote, Remote: f.local.Addr(), Dev: k.wire.B}
	if edit != nil {
		edit(&v)
	}
	check(t, k.b.AddKernelVXLAN(v))
	args := "run vxlan0 id 42 " + f.words() + " " + words
	p := must(k.a.Start(lab.Command{
		Path: uvtep,
		Args: append([]string{"--control", filepath.Join(t.TempDir(), "control.sock")}, strings.Fields(args)...),
	}))(t)
	t.Cleanup(func() {
		if err := p.Stop(patience); err != nil || t.Failed() {
			t.Errorf("the daemon ended with %v and wrote:\n%s", err, p.Stderr())
		}
	})
	check(t, p.WaitStderr("uvtep: ready", patience))
	for _, v6 := range []bool{false, true} {
		check(t, k.a.AddAddr("vxlan0", overlay(v6)[0]), k.b.AddAddr("vxlan0", overlay(v6)[1]))
		check(t, k.a.MustReach(overlay(v6)[1].Addr(), 56, patience))
	}
	return k
}

// transfers sends a stream each way. lab compares the hashes.
func (k *kernelPair) transfers(v6 bool, bytes int64) {
	k.Helper()
	to := overlay(v6)
	for _, way := range []struct {
		name     string
		from, to *lab.Host
		dst      netip.Addr
	}{{"kernel to uvtep", k.b, k.a, to[0].Addr()}, {"uvtep to kernel", k.a, k.b, to[1].Addr()}} {
		r, err := lab.TCPTransfer(way.from, way.to, way.dst, bytes)
		if err != nil {
			k.Fatalf("%s: %v", way.name, err)
		}
		k.Logf("%s: %v", way.name, r)
	}
}

// udp exchanges small and large datagrams, whose checksums the hosts leave to
// the devices.
func (k *kernelPair) udp(v6 bool) {
	k.Helper()
	for _, size := range []int{16, 17, 1000, 1300} {
		r, err := lab.UDPExchange(k.a, k.b, overlay(v6)[1].Addr(), size, 500)
		if err != nil {
			k.Fatal(err)
		}
		if !r.Clean() {
			k.Errorf("UDP of %d bytes: there %v; back %v", size, r.Forth, r.Back)
		}
	}
}

// longest is the length of the longest frame that a receives on its underlay
// device while b sends a stream.
func (k *kernelPair) longest() int {
	k.Helper()
	c := must(k.a.Capture(k.wire.A, 64))(k.T)
	if _, err := lab.TCPTransfer(k.b, k.a, overlay(false)[0].Addr(), 2<<20); err != nil {
		k.Fatal(err)
	}
	n := 0
	for _, p := range must(c.Stop())(k.T) {
		if !p.Outgoing {
			n = max(n, p.Length)
		}
	}
	return n
}

func TestT1KernelPeerDefaultOffloads(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		k := newKernelPair(t, f, lab.WireOptions{}, "", nil)
		if n := k.longest(); n < 10_000 {
			t.Errorf("the longest frame has %d bytes: the trap has not sprung", n)
		}
		k.transfers(f.group.Is6(), 100_000_000)
		k.transfers(!f.group.Is6(), 5_000_000)
		k.udp(false)
		k.udp(true)
	})
}

func TestT1KernelPeerTxOff(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		k := newKernelPair(t, f, lab.WireOptions{Offload: map[string]bool{"tx": false}}, "", nil)
		if n := k.longest(); n > 1514 {
			t.Errorf("with tx off there is a frame of %d bytes", n)
		}
		k.transfers(f.group.Is6(), 100_000_000)
		k.transfers(!f.group.Is6(), 5_000_000)
		k.udp(false)
		k.udp(true)
	})
}

// TestT2NoChecksum: sockets without checksum have no segmentation offload.
func TestT2NoChecksum(t *testing.T) {
	t.Run("IPv4", func(t *testing.T) {
		k := newKernelPair(t, ipv4Underlay(), lab.WireOptions{}, "noudpcsum", func(v *lab.KernelVXLAN) { v.NoUDPChecksum = true })
		k.transfers(false, 20_000_000)
		k.udp(true)
	})
	t.Run("IPv6", func(t *testing.T) {
		k := newKernelPair(t, ipv6Underlay(), lab.WireOptions{}, "udp6zerocsumtx udp6zerocsumrx",
			func(v *lab.KernelVXLAN) { v.UDP6ZeroCsumTx, v.UDP6ZeroCsumRx = true, true })
		k.transfers(true, 20_000_000)
		k.udp(false)
	})
}

// TestT3LargestDatagram: at the largest MTU there is, a frame fills the UDP
// datagram to its last byte, and no superframe can be more than one of those.
func TestT3LargestDatagram(t *testing.T) {
	t.Run("frame", func(t *testing.T) {
		r := newRig(t, ipv4Underlay())
		check(t, r.dut.SetMTU(r.wire.A, 65535), r.probe.SetMTU(r.wire.B, 65535))
		r.start("id 42", r.words())
		const mtu = 65535 - 50
		if got := must(r.dut.MTU("vxlan0"))(t); got != mtu {
			t.Fatalf("the link's MTU is %d, want %d", got, mtu)
		}
		if p := r.emit(frameOfMTU(broadcast, mtu)); p.ipLen != 65535 {
			t.Errorf("the largest frame made a packet of %d bytes, want 65535", p.ipLen)
		}
		r.delivers(frameFrom(farMAC, func(f *inner) { f.size = mtu - 28 }))
	})
	t.Run("stream", func(t *testing.T) {
		k := newKernelPair(t, ipv4Underlay(), lab.WireOptions{MTU: 65535}, "", nil)
		k.transfers(false, 50_000_000)
		k.transfers(true, 50_000_000)
	})
}

// hostAddresses gives the link's netdev addresses, and its neighbours behind
// the tunnel a MAC.
func (r *rig) hostAddresses() {
	r.Helper()
	check(r.T, r.dut.Sysctl("net.ipv6.conf.vxlan0.disable_ipv6", "0"))
	for _, v6 := range []bool{false, true} {
		check(r.T, r.dut.AddAddr("vxlan0", overlay(v6)[0]), r.dut.SetNeighbour("vxlan0", overlay(v6)[1].Addr(), mac(farMAC)))
	}
}

// listen opens a UDP socket on the host's overlay address.
func (r *rig) listen(v6 bool, port int) *net.UDPConn {
	r.Helper()
	var c *net.UDPConn
	check(r.T, r.dut.Do(func() (err error) {
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(overlay(v6)[0].Addr(), uint16(port))))
		return err
	}))
	r.Cleanup(func() {
		if err := c.Close(); !errors.Is(err, net.ErrClosed) {
			check(r.T, err)
		}
	})
	return c
}
