package tap

import "github.com/uvtep/uvtep/internal/lend"

const (
	// maxRead is the longest that a read of a queue returns: header, Ethernet
	// header, two VLAN tags, and an IP packet of 64 KiB, which a superframe may
	// fill and the MTU of a TAP may reach. The kernel cuts what does not fit.
	maxRead = vnetHeaderLen + 14 + 2*4 + 65535
	// slabSize holds four of the longest, or a batch of 64 frames of 2 KiB with
	// room to read a superframe after each.
	slabSize = 264 << 10
	// slabAlign is the cache line, at which each frame's header starts.
	slabAlign = 64
)

// slab is the memory of one batch: frames of any length one after the other,
// since a buffer of maxRead for each would be 4 MiB.
type slab [slabSize]byte

// slabs is shared by all devices of the process. A reader borrows a slab once it has
// something to read, so that an idle queue has none: thousands of idle devices share
// a few.
//
//nolint:gochecknoglobals // memory shared between devices that know nothing of each other
var slabs lend.List[slab]
