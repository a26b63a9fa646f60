// Package encap holds the bytes of a VXLAN tunnel endpoint (VTEP): the VXLAN
// header of RFC 7348, the unit of forwarding ([Frame]) with its offload
// metadata, what arrives from and leaves for the underlay ([Datagram],
// [Packet]), the inner parse, the flow hash, checksums, superframes, ECN, the
// MTU arithmetic and the ICMP message that a frame too large is answered with.
//
// Everything here is pure: no system call, no socket, no clock, no
// allocation. Multi-byte fields on the wire are big endian.
package encap
