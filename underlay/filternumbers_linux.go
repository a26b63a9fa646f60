package underlay

// numbers hands out numbers below end, the ones that came back last of all: what still is on its way with an old one is
// through by then.
type numbers struct {
	next, end uint32
	back      []uint32
}

func (n *numbers) reserve() (uint32, bool) {
	if n.next < n.end {
		n.next++
		return n.next - 1, true
	}
	if len(n.back) == 0 {
		return 0, false
	}
	first := n.back[0]
	n.back = n.back[1:]
	return first, true
}

func (n *numbers) release(i uint32) { n.back = append(n.back, i) }
