package forward

import (
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
)

// vniTable is the links of an endpoint by VNI, a byte of it a level. Any number
// of readers look up without a lock while one writer, who holds VTEP.mu, changes
// an entry: among thousands of links a change costs what it costs among one.
type vniTable struct {
	top [256]atomic.Pointer[vniMiddle]
}

type (
	vniMiddle struct {
		low [256]atomic.Pointer[vniLow]
	}
	vniLow struct {
		links [256]atomic.Pointer[Link]
		used  int // the writer's
	}
)

// link is the link of a VNI, nil if there is none.
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

// set gives a VNI its link, or takes it away where l is nil.
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
			at.Store(nil) // a reader that is in there finds nobody
		}
	}
}
