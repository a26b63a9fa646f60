package encap

import (
	"bytes"
	"encoding/binary"
)

const (
	// maxRuns is how many superframes a Joiner makes before it is full.
	maxRuns = 64
	// maxJoined is the most segments of one superframe.
	maxJoined = 64
)

// Joiner joins frames of one flow that come one after the other to superframes,
// as the kernel's GRO does (net/core/gro.c, net/ipv4/tcp_offload.c,
// net/ipv4/udp_offload.c), without copying a payload. A joined frame's
// transport checksum is marked partial, which makes the receiving stack trust
// it; so every segment's own checksum is verified before (and its IPv4 header's,
// which is rewritten). Frames of one flow keep their order. Frames of two VLANs
// (Frame.VLAN) are of two flows, whatever they hold: they are two tenants'.
//
// The zero value is ready. The frames that were added to it must stay valid until
// Finish; what it made of them is valid until the next Add after that.
type Joiner struct {
	runs [maxRuns]run
	full bool // a frame found none
	n    int  // runs in use
	at   int  // the run that was used last
	more [maxRuns][maxJoined - 1][]byte

	index [2 * maxRuns]uint8 // of runs plus one, by hash and VLAN, open addressing
}

// run is a superframe in the making: a frame of the caller's list and what may
// follow it.
type run struct {
	hash    uint32
	vlan    uint16
	frame   int    // index in the caller's list
	open    bool   // more may follow
	done    bool   // another run of the flow came after it
	checked bool   // the first segment's checksums were verified
	headers int    // length of Ethernet, IP and transport headers
	size    int    // payload of every segment but the last
	total   int    // payload so far
	seq     uint32 // of the next segment (TCP)
	count   int    // segments
	in      Inner
}

// Add puts f, described by in, into frames, of which n are in use: at the end
// of a superframe that one of them is or becomes, else as a frame of its own.
// It returns how many are in use then; there must be room for one more. ends says
// that f is the end of a superframe in the making, whose next segment Extend may
// be offered.
func (j *Joiner) Add(frames []Frame, n int, f Frame, in *Inner) (used int, ends bool) {
	if in.L4 == 0 || in.Fragment {
		j.closeAll() // whatever flow it belongs to
		frames[n] = f
		return n + 1, false
	}
	hash := FlowHash(f.Data, in)
	r := j.find(hash, f.VLAN)
	headers, ok := joinable(&f, in)
	if r != nil && r.open {
		if ok && headers == r.headers && j.append(r, &frames[r.frame], f.Data) {
			return n, true
		}
		r.open = false
	}
	frames[n] = f
	if !ok {
		return n + 1, false
	}
	if r != nil && r.count > 1 {
		r.done = true // its place holds the pieces of its superframe
		r = nil
	}
	if r == nil {
		r = j.unused(hash, f.VLAN)
	}
	if r == nil {
		j.full = true
		return n + 1, false
	}
	r.start(hash, f.VLAN, n, f.Data, in, headers)
	return n + 1, true
}

// Extend appends the frame b to the superframe that the frame added last is the
// end of, if b is its next segment: its headers are those of the first segment
// but for what segmentation changes, so that what was decided of the frame added
// last holds for b. It is for the caller to know that the frame added last was the
// end of one (Add says so) and that b came from the same sender and is of the same
// VLAN: else b is joined to a superframe that nothing was decided of. It is Add without a look at anything
// else, for most of the segments of a bulk transfer; false: nothing was done.
func (j *Joiner) Extend(frames []Frame, b []byte) bool {
	if j.at >= j.n {
		return false
	}
	r := &j.runs[j.at]
	if !r.open || len(b) <= r.headers || !r.wholePacket(b) {
		return false
	}
	return j.append(r, &frames[r.frame], b)
}

// wholePacket is what joinable asks of lengths, for a frame that is compared with
// the run's first segment next.
func (r *run) wholePacket(b []byte) bool {
	l3, l4 := int(r.in.L3), int(r.in.L4)
	n := int(binary.BigEndian.Uint16(b[l3+4:])) + ipv6HeaderLen
	if r.in.IPVersion == 4 {
		n = int(binary.BigEndian.Uint16(b[l3+2:]))
	}
	return n == len(b)-l3 && (r.in.Proto == ProtoTCP ||
		int(binary.BigEndian.Uint16(b[l4+4:])) == len(b)-l4 && b[l4+6]|b[l4+7] != 0)
}

// Full reports whether a superframe could not begin for want of room: there is
// some again after Finish.
func (j *Joiner) Full() bool { return j.full }

// Finish completes the superframes among frames and forgets them.
func (j *Joiner) Finish(frames []Frame) {
	for i := range j.runs[:j.n] {
		if r := &j.runs[i]; r.count > 1 {
			r.finish(&frames[r.frame])
		}
	}
	j.n, j.at, j.full = 0, 0, false
	j.index = [2 * maxRuns]uint8{}
}

func (j *Joiner) closeAll() {
	for i := range j.runs[:j.n] {
		j.runs[i].open = false
	}
}

func (j *Joiner) find(hash uint32, vlan uint16) *run {
	if j.at < j.n && j.runs[j.at].of(hash, vlan) {
		return &j.runs[j.at]
	}
	for i := j.slot(hash, vlan); j.index[i] != 0; i = (i + 1) % len(j.index) {
		at := int(j.index[i]) - 1
		if j.runs[at].of(hash, vlan) {
			j.at = at
			return &j.runs[at]
		}
	}
	return nil
}

// slot is where the search for a flow's run begins in index.
func (j *Joiner) slot(hash uint32, vlan uint16) int {
	return int((hash + uint32(vlan)) % uint32(len(j.index)))
}

// of reports whether r is the last run of a flow.
func (r *run) of(hash uint32, vlan uint16) bool {
	return r.hash == hash && r.vlan == vlan && !r.done
}

// unused returns a run that holds nothing, for a flow; nil: there is none.
func (j *Joiner) unused(hash uint32, vlan uint16) *run {
	if j.n == maxRuns {
		return nil
	}
	i := j.slot(hash, vlan)
	for j.index[i] != 0 {
		i = (i + 1) % len(j.index)
	}
	j.at = j.n
	j.n++
	j.index[i] = uint8(j.n)
	return &j.runs[j.at]
}

// joinable reports whether f may be a segment of a superframe, and the length
// of its headers: a whole TCP or UDP packet with a payload and nothing behind
// it, plain IP headers, no offload of its own, and no TCP flag that means
// something for one segment only.
func joinable(f *Frame, in *Inner) (headers int, ok bool) {
	b := f.Data
	if f.Offload != (Offload{}) || int(in.L3)+in.IPLen != len(b) {
		return 0, false
	}
	l4 := int(in.L4)
	if in.IPVersion == 4 && l4 != int(in.L3)+ipv4HeaderLen || in.IPVersion == 6 && l4 != int(in.L3)+ipv6HeaderLen {
		return 0, false
	}
	switch in.Proto {
	case ProtoTCP:
		const plain = 0x10 | tcpPSH | tcpFIN | 0x40 // ACK, PSH, FIN, ECE
		headers = l4 + int(b[l4+12]>>4)*4
		ok = headers >= l4+tcpHeaderLen && headers < len(b) && b[l4+13]&^plain == 0
	case ProtoUDP:
		headers = l4 + udpHeaderLen
		ok = headers < len(b) && b[l4+6]|b[l4+7] != 0 &&
			int(binary.BigEndian.Uint16(b[l4+4:])) == len(b)-l4
	}
	return headers, ok
}

// start makes r a run of one segment.
func (r *run) start(hash uint32, vlan uint16, frame int, b []byte, in *Inner, headers int) {
	*r = run{
		hash: hash, vlan: vlan, frame: frame, headers: headers, in: *in, count: 1,
		size: len(b) - headers, total: len(b) - headers,
	}
	r.open = !r.last(b)
	if in.Proto == ProtoTCP {
		r.seq = binary.BigEndian.Uint32(b[in.L4+4:]) + uint32(r.size)
	}
}

// last reports whether nothing may follow the segment b: PSH and FIN stand on
// the last segment alone.
func (r *run) last(b []byte) bool {
	return r.in.Proto == ProtoTCP && b[r.in.L4+13]&(tcpPSH|tcpFIN) != 0
}

// append joins the segment b to the run's frame f; false: it does not follow.
func (j *Joiner) append(r *run, f *Frame, b []byte) bool {
	payload := len(b) - r.headers
	if r.count == maxJoined || payload > r.size || int(r.in.L3)+0xffff < r.headers+r.total+payload ||
		!r.follows(f.Data, b) {
		return false
	}
	if !r.checked {
		if !sound(f.Data[:r.headers+r.size], &r.in) {
			return false
		}
		r.checked = true
	}
	if !sound(b, &r.in) {
		return false
	}
	more := &j.more[j.at]
	more[r.count-1] = b[r.headers:len(b):len(b)]
	f.More = more[:r.count]
	r.count++
	r.total += payload
	r.seq += uint32(payload)
	if r.in.Proto == ProtoTCP {
		f.Data[r.in.L4+13] |= b[r.in.L4+13] & (tcpPSH | tcpFIN)
	}
	r.open = payload == r.size && !r.last(b)
	return true
}

// follows reports whether the headers of b are those of the run's first segment
// but for what segmentation changes.
func (r *run) follows(first, b []byte) bool {
	l3, l4 := int(r.in.L3), int(r.in.L4)
	if !bytes.Equal(first[:l3], b[:l3]) {
		return false
	}
	if r.in.IPVersion == 4 {
		h, g := first[l3:l4], b[l3:l4]
		if h[0] != g[0] || h[1] != g[1] || !bytes.Equal(h[6:10], g[6:10]) || !bytes.Equal(h[12:], g[12:]) {
			return false
		}
		// Without DF the ids count up, as they will when the superframe is cut;
		// with DF they mean nothing (RFC 6864 section 4.1).
		if !r.in.DF && binary.BigEndian.Uint16(g[4:]) != binary.BigEndian.Uint16(h[4:])+uint16(r.count) {
			return false
		}
	} else if !bytes.Equal(first[l3:l3+4], b[l3:l3+4]) || !bytes.Equal(first[l3+6:l4], b[l3+6:l4]) {
		return false
	}
	h, g := first[l4:r.headers], b[l4:r.headers]
	if r.in.Proto == ProtoUDP {
		return bytes.Equal(h[:4], g[:4])
	}
	return bytes.Equal(h[:4], g[:4]) && binary.BigEndian.Uint32(g[4:]) == r.seq &&
		bytes.Equal(h[8:13], g[8:13]) && (h[13]^g[13])&^(tcpPSH|tcpFIN) == 0 &&
		bytes.Equal(h[14:16], g[14:16]) && bytes.Equal(h[18:], g[18:])
}

// sound verifies the checksums that joining takes away.
func sound(b []byte, in *Inner) bool {
	if in.IPVersion == 4 && Sum(b[in.L3:in.L4]) != 0xffff {
		return false
	}
	span := b[in.L4:]
	return foldSum(addBytes(addPseudo(b, in, len(span)), span)) == 0xffff
}

// finish makes f the superframe that the run stands for: lengths of the whole,
// checksum partial.
func (r *run) finish(f *Frame) {
	b, l3, l4 := f.Data, int(r.in.L3), int(r.in.L4)
	l4len := r.headers - l4 + r.total
	if r.in.IPVersion == 4 {
		binary.BigEndian.PutUint16(b[l3+2:], uint16(l4-l3+l4len))
		writeIPv4Checksum(b[l3:l4])
	} else {
		binary.BigEndian.PutUint16(b[l3+4:], uint16(l4len))
	}
	off, _ := csumOffset(r.in.Proto)
	if r.in.Proto == ProtoUDP {
		binary.BigEndian.PutUint16(b[l4+4:], uint16(l4len))
	}
	binary.BigEndian.PutUint16(b[l4+off:], foldSum(addPseudo(b, &r.in, l4len)))
	f.Offload = Offload{
		Kind: segmentKind(&r.in), Csum: CsumPartial, SegSize: uint16(r.size),
		CsumStart: r.in.L4, CsumOffset: uint16(off),
	}
}
