package interop_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// ping sends echo requests, of which none may be lost.
func ping(t *testing.T, from *lab.Host, dst netip.Addr, size int) {
	t.Helper()
	const count = 5
	check(t, from.MustReach(dst, size, soon))
	r := must(lab.Ping(from, netip.Addr{}, dst, size, count))(t)
	if r.Received != count || r.Corrupt+r.Duplicates > 0 {
		t.Errorf("%s: ping %s with %d bytes: %v", from, dst, size, r)
	}
}

// tcp sends a stream whose SHA-256 must be the same at both ends.
func tcp(t *testing.T, from, to *lab.Host, dst netip.Addr, size int64) {
	t.Helper()
	r, err := lab.TCPTransfer(from, to, dst, size)
	if err != nil {
		t.Fatalf("TCP %s to %s, %s: %v", from, to, dst, err)
	}
	t.Logf("TCP %s to %s, %s: %v", from, to, dst, r)
}

// udp exchanges numbered datagrams, of which none may be lost, doubled, out of
// order or changed.
func udp(t *testing.T, from, to *lab.Host, dst netip.Addr, size int) {
	t.Helper()
	r := must(lab.UDPExchange(from, to, dst, size, 1000))(t)
	if !r.Clean() {
		t.Errorf("UDP of %d bytes, %s and %s: forth %v; back %v", size, from, to, r.Forth, r.Back)
	}
}

// testEtherType is IEEE 802's Local Experimental EtherType 1.
var testEtherType = []byte{0x88, 0xb5}

// tagged are VLAN tags that a frame may carry: 802.1Q with a priority, priority
// only, and 802.1ad over 802.1Q.
func tagged() map[string][]byte {
	return map[string][]byte{
		"802.1Q":   {0x81, 0x00, 0xa0, 0x07},
		"priority": {0x81, 0x00, 0xe0, 0x00},
		"802.1ad":  {0x88, 0xa8, 0x00, 0x64, 0x81, 0x00, 0x00, 0x07},
	}
}

// frame is an Ethernet frame that no protocol claims; size is its whole length.
func frame(dst, src net.HardwareAddr, tag []byte, size int, label string) []byte {
	b := bytes.Join([][]byte{dst, src, tag, testEtherType, []byte(label)}, nil)
	for i := len(b); i < size; i++ {
		b = append(b, byte(i))
	}
	return b
}

// vlan sends tagged frames from one site to others, to their MAC addresses and
// to all, and wants them as they were.
func vlan(t *testing.T, from *site, to ...*site) {
	t.Helper()
	out := must(from.OpenPacket("vxlan0"))(t)
	defer out.Close()
	src := must(from.MAC("vxlan0"))(t)
	for _, s := range to {
		in := must(s.OpenPacket("vxlan0"))(t)
		for name, tag := range tagged() {
			for _, dst := range []net.HardwareAddr{must(s.MAC("vxlan0"))(t), {255, 255, 255, 255, 255, 255}} {
				for _, size := range []int{64, 1400} {
					label := fmt.Sprintf("%s %s to %s %s %d", name, from, s, dst, size)
					want := frame(dst, src, tag, size, label)
					check(t, out.Send(want))
					_, err := in.WaitFor(func(p lab.Packet) bool { return bytes.Equal(p.Data, want) }, soon)
					if err != nil {
						t.Errorf("%s: %v", label, err)
					}
				}
			}
		}
		check(t, in.Close())
	}
}
