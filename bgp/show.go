package bgp

import "maps"

// show is what there is to show.
func (n *neighbour) show() NeighbourState {
	n.mu.Lock()
	s := n.state
	s.Counters = n.counters
	s.Counters.Drops = maps.Clone(n.counters.Drops)
	current := n.session
	n.mu.Unlock()
	if current != nil {
		s.Announced = n.speaker.table.announced(current.cursor)
	}
	return s
}

// countIn counts a message.
func (n *neighbour) countIn(typ byte, body int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counters.MessagesIn++
	n.counters.BytesIn += uint64(headerLen + body)
	switch typ {
	case typeUpdate:
		n.counters.UpdatesIn++
	case typeNotification:
		n.counters.NotificationsIn++
	case typeRefresh:
		n.counters.RefreshesIn++
	}
}

// countOut counts the messages in b.
func (n *neighbour) countOut(b []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counters.BytesOut += uint64(len(b))
	for len(b) >= headerLen {
		length, typ, err := parseHeader(b)
		if err != nil || length > len(b) {
			return
		}
		n.counters.MessagesOut++
		switch typ {
		case typeUpdate:
			n.counters.UpdatesOut++
		case typeNotification:
			n.counters.NotificationsOut++
		case typeRefresh:
			n.counters.RefreshesOut++
		}
		b = b[length:]
	}
}

// showRoutes makes what is in received visible.
func (n *neighbour) showRoutes() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state.Routes = n.received.routes.len()
	n.state.Stale = !n.received.staleUntil.IsZero()
	if n.counters.Drops == nil {
		n.counters.Drops = map[DropReason]uint64{}
	}
	maps.Copy(n.counters.Drops, n.received.drops)
}
