package forward

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// maxSame is how many copies of one frame a link floods within a second. What comes
// more often, byte for byte, goes round a loop, of bridges and VTEPs as a rule:
// nothing else counts its hops. No protocol says the same to a group so often; the
// quickest, VRRP with its least interval (RFC 9568 section 5.2.7), does a hundred
// times. A sender that does all the same loses copies of what it has said 200
// times within the second.
const maxSame = 200

// loopGuard counts the frames that a link floods, by what is in them. It holds as
// many as may go round at once; of more, those that come most often are found
// (J. Misra, D. Gries: Finding repeated elements, 1982). The zero value is ready.
type loopGuard struct {
	table atomic.Pointer[loopTable] // nil until the first frame
}

// loopSlots words of a table take 4 KiB.
const loopSlots = 512

// loopTable has in each word a part of a frame's hash, the second, and how often it
// came.
type loopTable struct {
	seed  maphash.Seed // a tenant chooses its frames
	slots [loopSlots]atomic.Uint64
}

// Of a long frame its head and its end are looked at: where it is a superframe, the
// checksums that cover the rest are not made yet.
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

// takes reports whether f, which is to be flooded, has not come too often within the
// second, and counts it.
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
			next = was - 1 // another frame's, that came often
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
