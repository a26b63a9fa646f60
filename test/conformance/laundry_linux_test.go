package conformance

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// toHost is a frame from the tunnel for the host's stack.
func (r *rig) toHost(v6, tcp bool, size int) []byte {
	own := must(r.dut.MAC("vxlan0"))(r.T).String()
	at := overlay(v6)
	return frameTo(own, func(f *inner) {
		f.src, f.from, f.to = farMAC, at[1].Addr(), at[0].Addr()
		f.tcp, f.size = tcp, size
	})
}

// TestT4CorruptionIsNotLaundered: a frame whose inner checksum is wrong comes
// out of the tunnel as wrong as it was, however long it is.
func TestT4CorruptionIsNotLaundered(t *testing.T) {
	r := newRig(t, ipv4Underlay())
	check(t, r.dut.SetMTU(r.wire.A, 9000), r.probe.SetMTU(r.wire.B, 9000))
	r.start("id 42", r.words(), "mtu 1450")
	r.hostAddresses()
	for _, v6 := range []bool{false, true} {
		conn := r.listen(v6, 2000)
		for _, size := range []int{32, 33, 1400, 3000, 8000} { // the last two are longer than the MTU
			for _, how := range []string{"payload", "checksum"} {
				t.Run(fmt.Sprintf("IPv6 %v/%d/%s", v6, size, how), func(t *testing.T) {
					r := r.in(t)
					corruptUDP(r, conn, v6, size, how)
					corruptTCP(r, v6, size, how)
				})
			}
		}
	}
}

// corrupt changes a frame so that its transport checksum is wrong.
func corrupt(frame []byte, v6, tcp bool, how string) []byte {
	b := bytes.Clone(frame)
	at := len(b) - 10
	if how == "checksum" {
		at = 14 + 20 + map[bool]int{false: 6, true: 16}[tcp]
		if v6 {
			at += 20
		}
	}
	b[at] ^= 0x5a
	return b
}

func corruptUDP(r *rig, conn *net.UDPConn, v6 bool, size int, how string) {
	protocol := map[bool]string{false: "Udp", true: "Udp6"}[v6]
	before := snmp(r.T, r.dut, protocol, "InCsumErrors")
	r.send(r.packet(corrupt(r.toHost(v6, false, size), v6, false, how)))
	good := r.toHost(v6, false, size)
	r.send(r.packet(good))
	check(r.T, conn.SetReadDeadline(time.Now().Add(patience)))
	buf := make([]byte, 65536)
	n, _, err := conn.ReadFrom(buf) // the bad one is found out here, at the latest
	if err != nil {
		r.Fatal(err)
	}
	if !bytes.HasSuffix(good, buf[:n]) || n != size {
		r.Errorf("the socket was given %d bytes that are not those of the good datagram", n)
	}
	if got := snmp(r.T, r.dut, protocol, "InCsumErrors"); got != before+1 {
		r.Errorf("the host found %d wrong UDP checksums, want 1", got-before)
	}
}

func corruptTCP(r *rig, v6 bool, size int, how string) {
	before := snmp(r.T, r.dut, "Tcp", "InCsumErrors")
	resets := snmp(r.T, r.dut, "Tcp", "OutRsts")
	r.send(r.packet(corrupt(r.toHost(v6, true, size), v6, true, how)))
	r.until("find the wrong TCP checksum", func() bool { return snmp(r.T, r.dut, "Tcp", "InCsumErrors") == before+1 })
	r.send(r.packet(r.toHost(v6, true, size)))
	// A good segment of no connection is answered by a reset.
	r.until("answer the good segment", func() bool { return snmp(r.T, r.dut, "Tcp", "OutRsts") == resets+1 })
	if got := snmp(r.T, r.dut, "Tcp", "InCsumErrors"); got != before+1 {
		r.Errorf("the host found %d wrong TCP checksums, want 1", got-before)
	}
}

// TestT5ChecksumsLeaveComplete: the host leaves the checksums of what it sends
// to the netdev; on the wire they are complete. decode verifies them.
func TestT5ChecksumsLeaveComplete(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f)
		r.hostAddresses()
		for _, v6 := range []bool{false, true} {
			conn := r.listen(v6, 3000)
			dst := overlay(v6)[1].Addr()
			to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(dst, 4000))
			for _, size := range []int{1, 2, 3, 100, 1300} {
				payload := bytes.Repeat([]byte{0xa5}, size)
				must(conn.WriteTo(payload, to))(t)
				if p := r.nextTo(dst); !bytes.HasSuffix(p.frame, payload) {
					t.Errorf("%d bytes were sent, captured: %s", size, describe(p.frame))
				}
			}

			// A checksum that comes out as zero is sent as ones (RFC 768).
			at := overlay(v6)
			must(conn.WriteTo(zeroingPayload(at[0].Addr(), at[1].Addr()), to))(t)
			if got := innerUDP(r.nextTo(dst).frame).Checksum; got != 0xffff {
				t.Errorf("a UDP checksum of zero left as %#04x, want 0xffff", got)
			}

			syn := make(chan error, 1)
			go func() {
				syn <- r.dut.Do(func() error {
					c, err := net.DialTimeout("tcp", netip.AddrPortFrom(dst, 4001).String(), 100*time.Millisecond)
					if err == nil {
						_ = c.Close()
					}
					return nil // nobody answers
				})
			}()
			p := r.nextTo(dst)
			check(t, <-syn)
			tcp, ok := gopacket.NewPacket(p.frame, layers.LayerTypeEthernet, gopacket.Default).TransportLayer().(*layers.TCP)
			if !ok || !tcp.SYN {
				t.Errorf("want a SYN, captured: %s", describe(p.frame))
			}
		}
	})
}

// nextTo is the next packet whose inner destination is dst: the host's own
// neighbour discovery and multicast reports go elsewhere.
func (r *rig) nextTo(dst netip.Addr) *packet {
	r.Helper()
	for {
		p := r.next()
		g := gopacket.NewPacket(p.frame, layers.LayerTypeEthernet, gopacket.Default)
		if n := g.NetworkLayer(); n != nil && ipAddr(n.NetworkFlow().Dst().Raw()) == dst && g.TransportLayer() != nil {
			return p
		}
	}
}

func innerUDP(frame []byte) *layers.UDP {
	udp, _ := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default).TransportLayer().(*layers.UDP)
	if udp == nil {
		return &layers.UDP{}
	}
	return udp
}

// zeroingPayload is what makes the checksum of a datagram from port 3000 to
// 4000 zero.
func zeroingPayload(src, dst netip.Addr) []byte {
	b := binary.BigEndian.AppendUint16(nil, 3000)
	b = binary.BigEndian.AppendUint16(b, 4000)
	b = append(b, 0, 10, 0, 0) // length, no checksum yet
	pseudo := append(src.AsSlice(), dst.AsSlice()...)
	pseudo = append(pseudo, 0, 0, 0, 10, 0, 0, 0, 17)
	return binary.BigEndian.AppendUint16(nil, ^sum(uint32(sum(0, pseudo)), b))
}
