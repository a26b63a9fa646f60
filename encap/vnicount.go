package encap

import "sync/atomic"

// VNISlots is how many VNIs are counted apart at a time.
const VNISlots = 64

// A slot of a VNICount is a VNI and, in the low VNICountBits, a number of packets.
const VNICountBits = 40

// VNICount counts packets by VNI, of one writer, for readers that come by now and then. A VNI has one
// slot, which it shares with others: the one that is counted takes it from the one before. So what is read
// of a VNI is never too much, and less where more than a few VNIs come at a time, as anybody can have it.
// A slot that overflows loses its count, after weeks.
type VNICount [VNISlots]atomic.Uint64

// Add counts a packet.
func (c *VNICount) Add(v VNI) {
	slot := &c[v%VNISlots]
	was := slot.Load()
	if VNI(was>>VNICountBits) != v {
		was = uint64(v) << VNICountBits
	}
	slot.Store(was + 1)
}

// VNICounted is what was read of a VNICount.
type VNICounted [VNISlots]uint64

// Read is what c has counted.
func (c *VNICount) Read() (now VNICounted) {
	for i := range c {
		now[i] = c[i].Load()
	}
	return now
}

// Since calls fn with each VNI of which packets were counted since before, and their number.
func (now *VNICounted) Since(before *VNICounted, fn func(v VNI, n uint64)) {
	const count = 1<<VNICountBits - 1
	for i, is := range now {
		n, was := is&count, before[i]
		if was>>VNICountBits == is>>VNICountBits {
			n -= was & count
		}
		if n > 0 && n <= count {
			fn(VNI(is>>VNICountBits), n)
		}
	}
}
