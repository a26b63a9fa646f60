package forward

import (
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
)

// vniTable has the links of an endpoint by VNI: three levels, one for each byte of the VNI.
// Any number of readers look up without a lock while one writer changes an entry. A change
// costs the same among thousands of links as among few.
type vniTable struct {
	top [256]atomic.Pointer[vniMiddle]
}

type (
	vniMiddle struct {
		low [256]atomic.Pointer[vniLow]
	}
	vniLow struct {
		links [256]atomic.Pointer[Link]
		used  int // how many links are not nil; the writer's
	}
)

// link is the link of a VNI; nil: there is none.
func (t *vniTable) link(vni encap.VNI) *Link {
	middle := t.top[vni>>16&255].Load()
	if middle == nil {
		return nil
	}
	low := middle.low[vni>>8&255].Load()
	if low == nil {
		return nil
	}
	return low.links[vni&255].Load()
}

// set assigns a VNI to l; nil: to no link.
func (t *vniTable) set(vni encap.VNI, l *Link) {
	top := &t.top[vni>>16&255]
	middle := top.Load()
	if middle == nil {
		middle = new(vniMiddle)
		top.Store(middle)
	}
	at := &middle.low[vni>>8&255]
	low := at.Load()
	if low == nil {
		low = new(vniLow)
		at.Store(low)
	}
	before := low.links[vni&255].Swap(l)
	switch {
	case before == nil && l != nil:
		low.used++
	case before != nil && l == nil:
		if low.used--; low.used == 0 {
			at.Store(nil) // a reader that has loaded it before finds no link
		}
	}
}
