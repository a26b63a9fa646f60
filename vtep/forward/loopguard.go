package forward

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// maxSame is how many copies of one frame a link floods within a second. A frame that comes
// more often, byte for byte the same, goes round a loop, as a rule of bridges and VTEPs:
// nothing on an Ethernet counts hops. No protocol sends the same frame to a group so often:
// VRRP, with its least interval, sends a hundred a second (RFC 9568 section 5.2.7). A sender
// that does so nonetheless loses the copies after the 200th.
const maxSame = 200

// loopGuard counts the frames that a link floods, by a hash of their bytes. Of more frames
// than it has slots it finds those that come most often (J. Misra, D. Gries: Finding
// repeated elements, 1982). The zero value is ready.
type loopGuard struct {
	table atomic.Pointer[loopTable] // nil until the first frame
}

// loopSlots words of a table take 4 KiB.
const loopSlots = 512

// loopTable has, in each word, a part of a frame's hash, a second, and how often the frame
// came within that second.
type loopTable struct {
	seed  maphash.Seed // a tenant chooses the bytes of its frames
	slots [loopSlots]atomic.Uint64
}

// Of a long frame the head and the end are hashed. In a superframe the checksums, which
// would cover the rest, are not complete yet.
const (
	loopHead = 192
	loopEnd  = 64
)

const (
	loopCountBits = 16
	loopTickBits  = 16
	loopCountMask = 1<<loopCountBits - 1
	loopTickMask  = 1<<loopTickBits - 1
)

// takes counts f, which is to be flooded, and reports false where it came too often within
// the second.
func (g *loopGuard) takes(f *encap.Frame, now fdb.Tick) bool {
	t := g.table.Load()
	if t == nil {
		t = &loopTable{seed: maphash.MakeSeed()} // once in the life of a link
		if !g.table.CompareAndSwap(nil, t) {
			t = g.table.Load()
		}
	}
	h := t.hash(f)
	slot := &t.slots[h%loopSlots]
	mark := h&^(1<<(loopTickBits+loopCountBits)-1) | uint64(now&loopTickMask)<<loopCountBits
	for {
		was := slot.Load()
		next := mark | 1
		switch count := was & loopCountMask; {
		case was&^loopCountMask == mark:
			if count >= maxSame {
				return false
			}
			next = was + 1
		case was>>loopCountBits&loopTickMask == uint64(now&loopTickMask) && count > 1:
			next = was - 1 // the slot is of another frame that came often
		}
		if slot.CompareAndSwap(was, next) {
			return true
		}
	}
}

func (t *loopTable) hash(f *encap.Frame) uint64 {
	b := f.Data
	if len(b) <= loopHead+loopEnd {
		return maphash.Bytes(t.seed, b)
	}
	return maphash.Bytes(t.seed, b[:loopHead]) ^ maphash.Bytes(t.seed, b[len(b)-loopEnd:])<<1 ^ uint64(f.Len())<<32
}
