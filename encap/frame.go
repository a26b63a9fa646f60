package encap

// GSOKind says what a superframe stands for.
type GSOKind uint8

const (
	GSONone  GSOKind = iota // one Ethernet frame
	GSOTCPv4                // TCP segments over IPv4
	GSOTCPv6                // TCP segments over IPv6
	GSOUDP                  // UDP datagrams of one flow, IPv4 or IPv6 (USO)
)

// CsumState says what is known of the inner transport checksum.
type CsumState uint8

const (
	// CsumUnknown: the checksum stands in the frame as the sender made it; a
	// receiver verifies it.
	CsumUnknown CsumState = iota
	// CsumPartial: the field at CsumStart+CsumOffset holds the folded
	// pseudo-header sum only. It must be completed before the frame leaves for
	// the wire (VIRTIO_NET_HDR_F_NEEDS_CSUM, virtio v1.2 section 5.1.6).
	CsumPartial
)

// Offload is what travels beside a frame instead of inside it, as in a virtio
// network header or the kernel's skb. The zero value is an ordinary frame.
type Offload struct {
	Kind       GSOKind
	Csum       CsumState
	ECN        bool   // TCP superframe whose first segment alone carries CWR
	SegSize    uint16 // payload bytes a segment; 0 where Kind is GSONone
	CsumStart  uint16 // offset of the transport header from the frame's start
	CsumOffset uint16 // offset of the checksum field from CsumStart
}

// Frame is an Ethernet frame, or a superframe of up to 64 KiB that stands for
// many segments of one flow and crosses the forwarding path whole.
//
// Data starts at the destination MAC and has no FCS (RFC 7348 section 5). It
// is borrowed from whoever read it and valid until that reader's next read.
//
// More continues Data where the payload of a superframe was not contiguous in
// the buffer that it came from: the payloads of the segments after the first,
// in order. It is borrowed as Data is. Headers always lie in Data whole.
//
// VLAN, where it is not 0, is a VLAN id that travels beside the frame, as in the
// kernel's skb: a port puts the tag in as it writes (IEEE 802.1Q section 9).
// Offsets in Offload do not count it.
type Frame struct {
	Data    []byte
	More    [][]byte
	Offload Offload
	VLAN    uint16
}

// Len is the length of the whole frame in bytes.
func (f *Frame) Len() int {
	n := len(f.Data)
	for _, b := range f.More {
		n += len(b)
	}
	return n
}
