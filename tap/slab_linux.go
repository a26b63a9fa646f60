package tap

import "sync"

const (
	// maxRead is the longest that a read of a queue gives: header, Ethernet
	// header, two VLAN tags, and an IP packet of 64 KiB, which a superframe may
	// fill and the MTU of a TAP may reach. The kernel cuts what does not fit.
	maxRead = vnetHeaderLen + 14 + 2*4 + 65535
	// slabSize holds four of the longest, or a batch of 64 frames of 2 KiB with
	// room to read a superframe after each.
	slabSize = 264 << 10
	// slabAlign is the cache line, at which each frame's header starts.
	slabAlign = 64
	// maxIdleSlabs bounds what a burst on many devices leaves behind.
	maxIdleSlabs = 16
)

// slab is the memory of one batch: frames of any length one after the other,
// since a buffer of maxRead for each would be 4 MiB.
type slab [slabSize]byte

// slabList lends slabs to readers that have something to read, so that an idle
// queue holds none: thousands of idle devices share a few.
type slabList struct {
	mu   sync.Mutex
	idle []*slab
}

// slabs is shared by all devices of the process: what one gives back another
// takes. It holds no state but memory.
//
//nolint:gochecknoglobals // memory shared between devices that know nothing of each other
var slabs slabList

func (l *slabList) take() *slab {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := len(l.idle) - 1
	if last < 0 {
		return new(slab)
	}
	s := l.idle[last]
	l.idle[last] = nil
	l.idle = l.idle[:last]
	return s
}

func (l *slabList) give(s *slab) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.idle) < maxIdleSlabs {
		l.idle = append(l.idle, s)
	}
}
