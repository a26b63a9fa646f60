package conformance

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/vishvananda/netlink"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/vtep/forward"
)

// forgedMTU is the least that the kernel believes of an ICMP message
// (net.ipv4.route.min_pmtu; RFC 8200 section 5).
func (f family) forgedMTU() int {
	if f.group.Is6() {
		return 1280
	}
	return 552
}

// TestM5ForgedTooBig: a stranger says, of a packet whose ports are easily
// guessed, that the path of one remote is as narrow as the kernel can be told.
// That narrows the way to this remote and no other, and neither the device's
// MTU nor the overlay's IPv6 addresses, which the kernel deletes below 1280.
func TestM5ForgedTooBig(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f)
		own := overlay(true)[0]
		check(t, r.dut.Sysctl("net.ipv6.conf.vxlan0.disable_ipv6", "0"), r.dut.AddAddr("vxlan0", own))
		r.fdb("add", api.FDBEntry{MAC: farMAC, Dst: r.peers[0]})
		r.fdb("add", api.FDBEntry{MAC: farMAC2, Dst: r.peers[1]})
		full := 1500 - f.overhead()
		r.inject(frameOfMTU(farMAC, full))
		p := r.sentOf(frameOfMTU(farMAC, full))
		r.send(r.tooBig(p, r.peers[3], f.forgedMTU()))
		r.until("take notice of the ICMP message", func() bool {
			r.inject(frameOfMTU(farMAC, full))
			return r.drops(forward.TxTooBig) > 0
		})
		r.answers6(1400, 1280)
		r.inPieces(frameTo(farMAC, ipv6Inner, func(in *inner) { in.size = 1280 - 48 }))
		if p := r.sentOf(frameOfMTU(farMAC2, full)); p.ipLen != 1500 {
			t.Errorf("to another remote: %d bytes", p.ipLen)
		}
		// What the device says is followed all the same, and shows that it was looked.
		check(t, r.dut.SetMTU(r.wire.A, 1490))
		check(t, r.daemon.WaitStderr("the MTU follows the underlay", 15*time.Second))
		if got := must(r.dut.MTU("vxlan0"))(t); got != 1490-f.overhead() {
			t.Errorf("the link's MTU is %d, want %d", got, 1490-f.overhead())
		}
		r.hasAddr(own)
	})
}

// sentOf injects frame and is the packet that it makes, whatever comes before.
func (r *rig) sentOf(frame []byte) *packet {
	r.Helper()
	r.inject(frame)
	for {
		if p := r.next(); bytes.Equal(p.frame, frame) {
			return p
		}
	}
}

// answers6 sends an IPv6 packet of so many bytes and waits for ICMPv6 packet too
// big with that MTU.
func (r *rig) answers6(size, mtu int) {
	r.Helper()
	r.inject(frameTo(farMAC, ipv6Inner, func(in *inner) { in.size = size - 48 }))
	p, err := r.inner.WaitFor(func(p lab.Packet) bool {
		return !p.Outgoing && len(p.Data) > 62 && p.Data[20] == 58 && p.Data[54] == 2
	}, patience)
	if err != nil {
		r.Errorf("an IPv6 packet of %d bytes was not answered: %v", size, err)
	} else if got := int(binary.BigEndian.Uint32(p.Data[58:])); got != mtu {
		r.Errorf("an IPv6 packet of %d bytes was answered with MTU %d, want %d", size, got, mtu)
	}
}

// inPieces injects a frame that the path refuses and waits for the fragments
// that make its packet.
func (r *rig) inPieces(frame []byte) {
	r.Helper()
	r.inject(frame)
	var got []byte
	for more := true; more; {
		p, err := r.under.WaitFor(func(p lab.Packet) bool {
			return !p.Outgoing && isFragment(p.Data) && sentBy(r.local.Addr(), p.Data)
		}, patience)
		if err != nil {
			r.Errorf("after %d bytes in fragments: %v", len(got), err)
			return
		}
		d := gopacket.NewPacket(p.Data, layers.LayerTypeEthernet, gopacket.Default)
		if ip, ok := d.NetworkLayer().(*layers.IPv4); ok {
			more = ip.Flags&layers.IPv4MoreFragments != 0
			got = append(got, ip.Payload...)
			continue
		}
		f := d.Layer(layers.LayerTypeIPv6Fragment).(*layers.IPv6Fragment)
		more = f.MoreFragments
		got = append(got, f.Payload...)
	}
	if len(got) < 16 || !bytes.Equal(got[16:], frame) {
		r.Errorf("the fragments hold %s", describe(got))
	}
}

// isFragment says whether an Ethernet frame holds a fragment of an IP packet.
func isFragment(b []byte) bool {
	if len(b) < 54 {
		return false
	}
	if b[12] == 0x08 {
		return binary.BigEndian.Uint16(b[20:])&0x3fff != 0
	}
	return b[20] == 44
}

// hasAddr checks that the link's device has an address.
func (r *rig) hasAddr(want interface{ String() string }) {
	r.Helper()
	check(r.T, r.dut.Netlink(func(h *netlink.Handle) error {
		link, err := h.LinkByName("vxlan0")
		if err != nil {
			return err
		}
		addrs, err := h.AddrList(link, netlink.FAMILY_V6)
		if !slices.ContainsFunc(addrs, func(a netlink.Addr) bool { return a.IPNet.String() == want.String() }) {
			r.Errorf("vxlan0 has lost its address %s: it has %v", want, addrs)
		}
		return err
	}))
}
