package bench

import (
	"encoding/binary"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// tcpSegments is a datagram as UDP_GRO joins it: count segments of one TCP flow
// over IPv4, size payload bytes each, every one behind its own VXLAN header.
func tcpSegments(dst, src encap.MAC, count, size int) (datagram []byte, segSize int) {
	const l3, l4, headers = 14, 34, 66 // with TCP timestamps
	whole := make([]byte, headers+count*size)
	copy(whole, dst[:])
	copy(whole[6:], src[:])
	binary.BigEndian.PutUint16(whole[12:], encap.EtherTypeIPv4)
	ip := whole[l3:]
	ip[0], ip[6], ip[8], ip[9] = 0x45, 0x40, 64, encap.ProtoTCP
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	copy(ip[12:], []byte{198, 51, 100, 1, 198, 51, 100, 2})
	tcp := whole[l4:]
	binary.BigEndian.PutUint16(tcp, 40000)
	binary.BigEndian.PutUint16(tcp[2:], 5001)
	tcp[12], tcp[13] = 8<<4, 0x10
	f := encap.Frame{Data: whole, Offload: encap.Offload{
		Kind: encap.GSOTCPv4, Csum: encap.CsumPartial, SegSize: uint16(size), CsumStart: l4, CsumOffset: 16,
	}}
	vxlan := encap.HeaderFor(42)
	encap.Segment(&f, make([]byte, 2048), func(s encap.Frame) {
		datagram = append(append(datagram, vxlan[:]...), s.Data...)
	})
	return datagram, len(vxlan) + headers + size
}

// BenchmarkForwardSuperframe is the way of bulk TCP from the underlay: a
// datagram of 43 segments becomes one frame for the port.
func BenchmarkForwardSuperframe(b *testing.B) {
	payload, segSize := tcpSegments(macA, macB, 43, 1448)
	benchmarkForward(b, 43*1448, &engine{datagram: payload, segSize: segSize})
}
