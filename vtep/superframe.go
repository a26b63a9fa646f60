package vtep

import "github.com/uvtep/uvtep/encap"

// TxQueueLen is how many frames the kernel keeps for a port's reader. A TAP
// drops what finds it full instead of holding the sender back.
const TxQueueLen = 4096

// maxDatagram is the largest UDP payload over IPv4 (RFC 768, RFC 791).
const maxDatagram = 65507

// superframeSize is the netdev's gso_max_size by which a TCP superframe leaves
// in one send: as many segments as fit a UDP payload together with the headers
// that each is given.
func superframeSize(mtu int) int {
	// What the kernel takes off before it counts segments: MAX_TCP_HEADER
	// (include/net/tcp.h) and one (sk_setup_caps in net/core/sock.c).
	const kernelSlack = 320 + 1
	const ipTCP = 40
	segments := maxDatagram / (encap.HeaderLen + encap.EthernetHeaderLen + mtu)
	return min(segments*(mtu-ipTCP)+kernelSlack, 65536)
}
