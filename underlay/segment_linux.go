package underlay

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// mostSegments is UDP_MAX_SEGMENTS (include/linux/udp.h) since Linux 6.9.
	// sureSegments is one less than what it was since UDP_SEGMENT came with 4.18: the
	// first kernels counted the UDP header in, and refused 64 of equal length.
	mostSegments = 128
	sureSegments = 63
	// mostPayload is the largest UDP payload over IPv4 (RFC 768, RFC 791): the
	// datagrams of a message have to fit in one together.
	mostPayload = 65507
)

// segmentation is how many datagrams a message may take: as many as the kernel has not
// refused. A refusal may be that of one route or device, or of the moment, so it holds
// for a number of batches, and the next one for twice as many.
type segmentation struct {
	limit   atomic.Int32
	refusal atomic.Uint32 // errno of the last refusal; 0 without one
	config  string        // why it is off by configuration

	batches  atomic.Int64 // until what was refused is tried again
	patience atomic.Int64 // what batches begins with at the next refusal; 0: leastPatience
}

// How many batches a refusal holds. The most takes about a quarter of an hour of
// full load.
const (
	leastPatience = 1 << 12
	mostPatience  = 1 << 26
)

// probe asks whether the kernel knows UDP_SEGMENT. One that does not ignores
// the control message and would send all datagrams as one. Whether it takes
// 128 segments shows the first message that has as many.
func (g *segmentation) probe(cfg *TransmitterConfig, fd uintptr) {
	g.limit.Store(1)
	switch why := faultySegmentation(kernelRelease()); {
	case cfg.NoSegment:
		g.config = "switched off"
	case why != "" && !cfg.ForceSegment:
		g.config = why
	case cfg.NoChecksum: // udp_send_skb in net/ipv4/udp.c refuses
		g.config = "not possible without checksums"
	default:
		_, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT)
		if errno, failed := errors.AsType[syscall.Errno](err); failed {
			g.refusal.Store(uint32(errno))
			return
		}
		g.limit.Store(mostSegments)
	}
}

// lower remembers that the kernel refused more than limit.
func (g *segmentation) lower(limit int32, errno syscall.Errno) {
	for {
		was := g.limit.Load()
		if was <= limit {
			return
		}
		if g.limit.CompareAndSwap(was, limit) {
			patience := max(g.patience.Load(), leastPatience)
			g.batches.Store(patience)
			g.patience.Store(min(2*patience, mostPatience))
			g.refusal.Store(uint32(errno))
			return
		}
	}
}

// allowed is how many datagrams a message of the batch that begins may take.
func (g *segmentation) allowed() int {
	if g.refusal.Load() != 0 && g.config == "" && g.batches.Load() > 0 && g.batches.Add(-1) == 0 {
		g.limit.Store(mostSegments)
		g.refusal.Store(0)
	}
	return int(g.limit.Load())
}

// Offloads is what is in use at present.
func (t *Transmitter) Offloads() Offloads {
	o := Offloads{Segments: int(t.segments.limit.Load()), Reason: t.segments.config}
	if errno := syscall.Errno(t.segments.refusal.Load()); errno != 0 {
		o.Refused = true
		o.Reason = fmt.Sprintf("the kernel refused UDP_SEGMENT with more than %d datagrams: %v", o.Segments, errno)
	}
	return o
}

// segmentRefusal says that errno may be about UDP_SEGMENT and not about the
// datagrams: EINVAL is more segments than the kernel takes, or checksums off;
// EIO a transformed route (xfrm), or before 6.11 a device without checksum
// offload; EMSGSIZE segments larger than the path, with no word of its MTU,
// even where they may be fragmented (udp_send_skb in net/ipv4/udp.c).
func segmentRefusal(errno syscall.Errno) bool {
	switch errno {
	case unix.EINVAL, unix.EIO, unix.EMSGSIZE, unix.ENOPROTOOPT, unix.EOPNOTSUPP:
		return true
	}
	return false
}
