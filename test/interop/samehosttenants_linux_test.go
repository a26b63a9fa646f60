package interop_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
)

// TestTenantsOfKernelVTEPs: tenants behind a kernel VTEP on the same host send UDP
// superframes in which packets of another VNI stand where they could be cut, and raw
// frames that lie about their length. Nothing of it comes out of another VNI, what is
// honest arrives, and superframes of TCP stay whole without UDP GRO.
func TestTenantsOfKernelVTEPs(t *testing.T) {
	t.Parallel()
	lab.NeedKernelVXLAN(t)
	sites := newSites(t, families()[0], lab.WireOptions{}, uvtep, kernel)
	a, b := sites[0].Host, sites[1].Host
	inner := func(vni, i int) netip.Prefix { return prefix("198.51.100.%d/28", 16*(vni-40)+i) }
	for _, vni := range []int{42, 43} {
		for i, s := range sites {
			l := link{name: fmt.Sprint("vxlan", vni), vni: uint32(vni), remote: sites[1-i].outer}
			s.addLinkExactly(t, l)
			check(t, s.AddAddr(l.name, inner(vni, i+1)))
		}
		check(t, a.MustReach(inner(vni, 2).Addr(), 56, soon))
	}
	captures := map[string]*lab.Capture{}
	for _, dev := range []string{"vxlan42", "vxlan43"} {
		captures[dev] = must(a.Capture(dev, 0))(t)
	}
	macA, macB := must(a.MAC("vxlan43"))(t), must(b.MAC("vxlan43"))(t)
	crafted := craftedPayload(macA, macB, 800, 20)
	sendSegmented(t, b, inner(42, 1).Addr(), 800, crafted, 200)

	raw := must(b.OpenPacket("vxlan42"))(t)
	other := must(b.OpenPacket("vxlan43"))(t)
	mac42 := must(a.MAC("vxlan42"))(t)
	for range 500 {
		liar := frame(mac42, net.HardwareAddr{2, 0, 0, 0, 0x42, 1}, nil, 200, "liar")
		liar[12], liar[13], liar[14] = 8, 0, 0x45
		binary.BigEndian.PutUint16(liar[16:], 20_000)
		liar[23] = encap.ProtoUDP
		clear(liar[24:26])
		binary.BigEndian.PutUint16(liar[24:], ^encap.Sum(liar[14:34]))
		check(t, raw.Send(liar), other.Send(frame(macA, macB, nil, 200, "MARK43")))
	}
	// With UDP GRO off by now, what is honest arrives: superframes of UDP, cut by the
	// kernel, and of TCP.
	for _, vni := range []int{42, 43} {
		check(t, bothWays(t.Context(), a, b, inner(vni, 1).Addr(), inner(vni, 2).Addr()))
	}
	last := frame(macA, macB, nil, 200, "last")
	check(t, other.Send(last))
	if _, err := captures["vxlan43"].WaitFor(func(p lab.Packet) bool { return bytes.Equal(p.Data, last) }, soon); err != nil {
		t.Fatal(err)
	}
	marks := 0
	for dev, c := range captures {
		foreign := map[string]string{"vxlan42": "MARK43", "vxlan43": "CROSSED"}[dev]
		crossed := 0
		for _, p := range must(c.Stop())(t) {
			if dev == "vxlan43" && bytes.Contains(p.Data, []byte("MARK43")) {
				marks++
			}
			if !p.Outgoing && bytes.Contains(p.Data, []byte(foreign)) {
				crossed++
			}
		}
		if crossed != 0 {
			t.Errorf("%d frames of another VNI came out of %s", crossed, dev)
		}
	}
	t.Logf("%d of 500 markers of VNI 43 came out of VNI 43", marks)
	if marks == 0 {
		t.Error("no marker came out of its own VNI: this shows nothing")
	}
}

// craftedPayload is what a tenant sends as n segments of size, so that a packet for
// VNI 43 begins wherever a datagram of that size would begin in its VXLAN packet.
func craftedPayload(dst, src net.HardwareAddr, size, n int) []byte {
	const before = encap.HeaderLen + encap.EthernetHeaderLen + 20 + 8
	b := make([]byte, size*n)
	for at := size - before; at+size <= len(b); at += size {
		h := encap.HeaderFor(43)
		copy(b[at:], h[:])
		copy(b[at+len(h):], frame(dst, src, nil, 200, "CROSSED"))
	}
	return b
}

// sendSegmented has a socket of h send payload to dst times over, as superframes.
func sendSegmented(t *testing.T, h *lab.Host, dst netip.Addr, size int, payload []byte, times int) {
	t.Helper()
	var c *net.UDPConn
	check(t, h.Do(func() (err error) {
		c, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(dst, 7001)))
		return err
	}))
	defer c.Close()
	raw := must(c.SyscallConn())(t)
	var err error
	check(t, raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, size) }), err)
	for range times {
		_, _ = c.Write(payload) // nobody listens: the next write is told so
	}
}
