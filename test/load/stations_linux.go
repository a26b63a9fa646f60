package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/test/lab"
)

// Stations sends, from a host to a VTEP, one VXLAN packet from each of count source MACs, so that the VTEP learns them:
// broadcast ARP requests, which nobody answers. Some may be lost.
func Stations(from *lab.Host, vtep netip.AddrPort, vni uint32, first, count int) error {
	fd := -1
	err := from.Do(func() (err error) {
		fd, err = udpSocket(netip.AddrPort{}, vtep)
		return err
	})
	if err != nil {
		return fmt.Errorf("load: stations %s -> %s: %w", from, vtep, err)
	}
	defer unix.Close(fd)
	m := newMessages(batch, len(station(vni, 0)))
	for i := first; i < first+count; {
		n := min(batch, first+count-i)
		for k := range n {
			copy(m.bufs[k], station(vni, i+k))
		}
		sent, err := m.send(fd, n)
		if err != nil && !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.ENOBUFS) {
			return fmt.Errorf("load: stations %s -> %s: %w", from, vtep, err)
		}
		i += sent
	}
	return nil
}

// station is a VXLAN packet (RFC 7348 section 5) with a frame of the i-th station: an ARP request for 192.0.2.254, from
// 0.0.0.0 (a probe, RFC 5227 section 2.1.1), which changes nobody's ARP table.
func station(vni uint32, i int) []byte {
	b := make([]byte, 8+60)
	b[0] = 0x08
	binary.BigEndian.PutUint32(b[4:], vni<<8)
	f := b[8:]
	for k := range 6 {
		f[k] = 0xff
	}
	var mixed [8]byte // no pattern that a hash could profit from; a product with an odd number, so no two are alike
	binary.BigEndian.PutUint64(mixed[:], uint64(uint32(i)*0x9e3779b1))
	mac := []byte{0x02, 0x5a, mixed[4], mixed[5], mixed[6], mixed[7]}
	copy(f[6:], mac)
	copy(f[12:], []byte{0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1})
	copy(f[22:], mac)
	copy(f[38:], []byte{192, 0, 2, 254})
	return b
}
