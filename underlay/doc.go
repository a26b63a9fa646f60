// Package underlay is the UDP side of a VXLAN tunnel endpoint: receivers that
// read datagrams in batches and transmitters that send packets in batches from
// a pool of source ports.
//
// A VTEP sends from many ports to one (RFC 7348 section 5: the source port is
// a hash of the inner flow), while a UDP socket has one source port. So the
// two directions are separate: a [Receiver] holds the destination port, one
// socket a worker; a [Transmitter] holds up to 64 sockets bound over the
// source port range and picks one by flow hash. What arrives at those is
// discarded by a socket filter.
//
// On Linux the sockets are used by recvmmsg(2) and sendmmsg(2) over headers
// built once; headers and payload leave as iovecs, so nothing is copied or
// allocated. Superframes, and equally long packets in a row to one remote and of one VNI,
// leave as one message that the kernel or the device cuts (UDP_SEGMENT);
// datagrams that the kernel joined are read as one (UDP_GRO). Where it refuses,
// the same datagrams go singly: see [Offloads]. Elsewhere a plain path over
// golang.org/x/net does one datagram a call. The package knows nothing of
// links, MACs or the FDB.
package underlay
