package encap

import "encoding/binary"

// TCP flags, RFC 9293 section 3.1 and RFC 3168 section 6.1.
const (
	tcpFIN = 0x01
	tcpSYN = 0x02
	tcpRST = 0x04
	tcpPSH = 0x08
	tcpCWR = 0x80
)

// MaxSegments is the most frames that a superframe stands for: what the kernel
// sends in one message (UDP_MAX_SEGMENTS in include/linux/udp.h). Without a bound a
// few bytes of metadata make 64 KiB of one datagram tens of thousands of frames.
const MaxSegments = 128

// leastGuess is the least segment size that is guessed: every host takes IPv4
// packets of 576 bytes (RFC 791 section 3.1), so that its segments are of 512 and
// more unless its headers are unusual, and 64 KiB are no more than MaxSegments.
const leastGuess = 512

// SegmentOffload recognises a superframe that came without metadata: a kernel
// VTEP on the same host passes up to 64 KiB of one flow as one datagram, its
// transport checksum partial. It is one where the TCP or UDP packet in b is
// longer than mtu, the link's in layer 3 bytes, and its checksum holds the
// pseudo-header sum. The segment size follows from mtu, which is what TCP
// would have filled. All of that is a guess from bytes that whoever sent b chose:
// it is for senders that are known to leave their packets so. A complete checksum
// that happens to equal the sum, as one in 65,536 does, is taken for partial: the
// segments are right either way, and a superframe passed on whole would be lost.
func SegmentOffload(b []byte, in *Inner, mtu int) (Offload, bool) {
	headers, ok := transportEnd(b, in)
	if !ok || in.IPLen <= mtu || in.end(b) != len(b) {
		return Offload{}, false // what follows the packet would become payload
	}
	size := mtu - (headers - int(in.L3))
	if size < leastGuess || tooMany(len(b)-headers, size) {
		return Offload{}, false
	}
	o, ok := PartialOffload(in)
	if !ok {
		return Offload{}, false
	}
	stored := binary.BigEndian.Uint16(b[in.L4+o.CsumOffset:])
	if stored != PseudoSum(b, in, len(b)-int(in.L4)) {
		return Offload{}, false // a complete one: long, but made so
	}
	o.Kind, o.SegSize = segmentKind(in), uint16(size)
	o.ECN = in.Proto == ProtoTCP && b[in.L4+13]&tcpCWR != 0
	return o, true
}

// tooMany reports whether payload bytes are more than MaxSegments of size.
func tooMany(payload, size int) bool { return payload > MaxSegments*size }

// segmentKind is the kind that a superframe of in's flow has.
func segmentKind(in *Inner) GSOKind {
	switch {
	case in.Proto == ProtoUDP:
		return GSOUDP
	case in.Proto == ProtoTCP && in.IPVersion == 4:
		return GSOTCPv4
	case in.Proto == ProtoTCP && in.IPVersion == 6:
		return GSOTCPv6
	}
	return GSONone
}

// transportEnd is the offset of the payload of a packet that may be a
// superframe: a whole TCP or UDP packet, no fragment. TCP with SYN or RST
// never is one (RFC 9293 has no data to split there).
func transportEnd(b []byte, in *Inner) (int, bool) {
	if in.L4 == 0 || in.Fragment || !in.whole(b) {
		return 0, false
	}
	l4 := int(in.L4)
	switch in.Proto {
	case ProtoTCP:
		doff := int(b[l4+12]>>4) * 4
		if doff < tcpHeaderLen || l4+doff > in.end(b) || b[l4+13]&(tcpSYN|tcpRST) != 0 {
			return 0, false
		}
		return l4 + doff, true
	case ProtoUDP:
		return l4 + udpHeaderLen, true
	}
	return 0, false
}

// Segmenter cuts a superframe into the frames that it stands for, without
// copying the payload: each segment is headers written into the caller's
// memory and a slice of the superframe. The zero value has no segments.
type Segmenter struct {
	data    []byte // the superframe up to the end of its IP packet
	in      Inner
	headers int // length of the Ethernet, IP and transport headers
	size    int // payload bytes a segment
	next    int // offset of the next segment's payload
	index   uint16
	noCsum  bool // UDP sent without checksum
}

// Init prepares s to cut f. It is false where f is no superframe, or its
// metadata and its headers contradict each other, or it stands for more than
// MaxSegments frames. The transport checksum of f
// may be partial or complete; that of each segment is complete.
func (s *Segmenter) Init(f *Frame) bool {
	*s = Segmenter{}
	if f.Offload.Kind == GSONone || f.Offload.SegSize == 0 {
		return false
	}
	in := ParseInner(f.Data)
	headers, ok := transportEnd(f.Data, &in)
	if !ok || segmentKind(&in) != f.Offload.Kind {
		return false
	}
	end := in.end(f.Data)
	if headers == end || tooMany(end-headers, int(f.Offload.SegSize)) {
		return false // no payload, or far too many pieces of it
	}
	*s = Segmenter{
		data: f.Data[:end:end], in: in, headers: headers,
		size: int(f.Offload.SegSize), next: headers,
	}
	if in.Proto == ProtoUDP {
		s.noCsum = f.Data[in.L4+6]|f.Data[in.L4+7] == 0
	}
	return true
}

// HeaderLen is the length of the headers of each segment.
func (s *Segmenter) HeaderLen() int { return s.headers }

// Segments is the number of segments left.
func (s *Segmenter) Segments() int {
	if s.size == 0 {
		return 0
	}
	return (len(s.data) - s.next + s.size - 1) / s.size
}

// LargestFrame is the length of the longest segment left as an Ethernet frame,
// which has to fit the path; 0 where none is left.
func (s *Segmenter) LargestFrame() int {
	if s.next == len(s.data) {
		return 0
	}
	return s.headers + min(s.size, len(s.data)-s.next)
}

// Next writes the headers of the next segment to head, which must hold
// [Segmenter.HeaderLen] bytes, checksums complete, and returns its payload: a
// slice of the superframe, to be sent right after them. ok is false where no
// segment is left or head is too short.
//
// IPv4 ids count up from the superframe's; TCP FIN and PSH stand on the last
// segment alone, CWR on the first (net/ipv4/tcp_offload.c: tcp_gso_segment).
func (s *Segmenter) Next(head []byte) (payload []byte, ok bool) {
	if s.next == len(s.data) || len(head) < s.headers {
		return nil, false
	}
	head = head[:s.headers]
	copy(head, s.data)
	start, end := s.next, min(s.next+s.size, len(s.data))
	payload = s.data[start:end:end]
	s.writeIP(head, len(payload))
	if s.in.Proto == ProtoTCP {
		s.writeTCP(head, start, end)
	} else {
		binary.BigEndian.PutUint16(head[s.in.L4+4:], uint16(udpHeaderLen+len(payload)))
	}
	s.writeChecksum(head, payload)
	s.next = end
	s.index++
	return payload, true
}

// writeIP sets the length, and of IPv4 the id and the header checksum.
func (s *Segmenter) writeIP(head []byte, payload int) {
	ip := head[s.in.L3:]
	if s.in.IPVersion == 6 {
		binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-ipv6HeaderLen+payload))
		return
	}
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+payload))
	binary.BigEndian.PutUint16(ip[4:], binary.BigEndian.Uint16(ip[4:])+s.index)
	writeIPv4Checksum(head[s.in.L3:s.in.L4])
}

// writeTCP sets the sequence number and the flags of the segment whose payload
// is data[start:end].
func (s *Segmenter) writeTCP(head []byte, start, end int) {
	tcp := head[s.in.L4:]
	seq := binary.BigEndian.Uint32(tcp[4:])
	binary.BigEndian.PutUint32(tcp[4:], seq+uint32(start-s.headers))
	if end != len(s.data) {
		tcp[13] &^= tcpFIN | tcpPSH
	}
	if start != s.headers {
		tcp[13] &^= tcpCWR
	}
}

// writeChecksum completes the transport checksum over header and payload.
func (s *Segmenter) writeChecksum(head, payload []byte) {
	if s.noCsum {
		return
	}
	tr := head[s.in.L4:]
	off, _ := csumOffset(s.in.Proto)
	tr[off], tr[off+1] = 0, 0
	acc := addPseudo(head, &s.in, len(tr)+len(payload))
	// The transport header's length is a multiple of 4, so both parts start
	// at an even offset.
	sum := ^foldSum(addBytes(addBytes(acc, tr), payload))
	if sum == 0 && s.in.Proto == ProtoUDP {
		sum = 0xffff // RFC 768
	}
	binary.BigEndian.PutUint16(tr[off:], sum)
}

// LargestFrame is the length of f, or of the longest frame that it is cut into.
func LargestFrame(f *Frame) int {
	var s Segmenter
	if !s.Init(f) {
		return f.Len()
	}
	return s.LargestFrame()
}

// Segment cuts the superframe f and hands each segment to emit as a frame of
// its own, contiguous in scratch and valid until emit returns. It is false,
// with nothing emitted, where f cannot be cut or scratch is shorter than the
// longest segment. It allocates nothing if emit was made once.
func Segment(f *Frame, scratch []byte, emit func(Frame)) bool {
	var s Segmenter
	if !s.Init(f) || len(scratch) < s.LargestFrame() {
		return false
	}
	for {
		payload, ok := s.Next(scratch)
		if !ok {
			return true
		}
		n := s.headers + copy(scratch[s.headers:], payload)
		emit(Frame{Data: scratch[:n:n]})
	}
}

// writeIPv4Checksum sets the checksum of the IPv4 header h (RFC 791 section
// 3.1).
func writeIPv4Checksum(h []byte) {
	h[10], h[11] = 0, 0
	binary.BigEndian.PutUint16(h[10:], ^Sum(h))
}
