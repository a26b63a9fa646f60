package bgp

import (
	"maps"
	"slices"
	"sync"
)

// table is what this speaker announces. It is also the queue of each neighbour: the routes
// are in the order of their last change, a neighbour's cursor stands behind the last route
// that it was told, and what a neighbour is to be told is what stands behind its cursor. So
// a route that changes often is sent as it is when its turn comes, and a slow neighbour
// costs one cursor.
//
// A route that was withdrawn stays in the list until all cursors have passed it.
type table struct {
	mu      sync.Mutex
	routes  map[Key]*place
	shared  map[string]*sharedAttributes
	list    place // the ring of all places; its next is the oldest change
	version uint64
	cursors []*cursor
	peak    int // the most routes that the map had since it was made
}

// place is that of a route or of a cursor in the list.
type place struct {
	prev, next *place
	version    uint64 // of the route's last change
	route      Route
	attributes *sharedAttributes // nil: withdrawn, or a cursor
	isCursor   bool
	// sent says that some neighbour was told the route, so that it has to be told the withdraw.
	sent bool
	// anew says that the route is withdrawn before it is announced: FRR ignores a change of
	// the PMSI of a route of type 3 that it has.
	anew bool
}

// sharedAttributes are those of all routes with equal ones.
type sharedAttributes struct {
	Attributes
	key  string
	uses int
}

// cursor is how far a neighbour's session is.
type cursor struct {
	place
	seen  uint64 // the version of the last change that was sent
	until uint64 // the version at which the mark is due, 0 where none is
	// begin says that everything is sent again and that this has not begun, again that it has.
	begin, again bool
	wake         chan struct{}
}

func newTable() *table {
	t := &table{routes: map[Key]*place{}, shared: map[string]*sharedAttributes{}}
	t.list.prev, t.list.next = &t.list, &t.list
	return t
}

func (p *place) unlink() { p.prev.next, p.next.prev = p.next, p.prev }

func (p *place) linkAfter(q *place) {
	p.prev, p.next = q, q.next
	q.next.prev, q.next = p, p
}

// announce puts a route in, or changes it.
func (t *table) announce(r Route, a *Attributes) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := r.Key()
	p := t.routes[k]
	if p == nil {
		p = &place{}
		t.routes[k] = p
		t.peak = max(t.peak, len(t.routes))
	} else {
		p.unlink()
	}
	shared := t.share(a)
	if p.attributes != nil {
		p.anew = p.anew || r.Type == Multicast && !samePMSI(p.attributes.PMSI, shared.PMSI)
		t.release(p.attributes)
	} else if p.sent { // it was withdrawn a moment ago
		p.anew = p.anew || r.Type == Multicast
	}
	p.route, p.attributes = r, shared
	t.changed(p)
}

func samePMSI(a, b *PMSI) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// withdraw takes a route out.
func (t *table) withdraw(k Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.routes[k]
	if p == nil || p.attributes == nil {
		return
	}
	t.release(p.attributes)
	p.attributes = nil
	p.unlink()
	if !p.sent || len(t.cursors) == 0 {
		t.forget(k)
		return
	}
	t.changed(p)
}

// changed puts a route that is in no list at its end and wakes who sends it.
func (t *table) changed(p *place) {
	t.version++
	p.version = t.version
	p.linkAfter(t.list.prev)
	for _, c := range t.cursors {
		c.signal()
	}
}

// signal wakes the session of the cursor. It never waits.
func (c *cursor) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// forget takes a route that is in no list out of the map, and has a map that has become
// large for what is in it made again: Go's maps do not shrink.
func (t *table) forget(k Key) {
	delete(t.routes, k)
	if t.peak < 1024 || len(t.routes) > t.peak/4 {
		return
	}
	smaller := make(map[Key]*place, len(t.routes))
	maps.Copy(smaller, t.routes)
	t.routes, t.peak = smaller, len(smaller)
}

func (t *table) share(a *Attributes) *sharedAttributes {
	e := Encoder{AS4: true, Internal: true}
	key := string(appendAddr(e.appendAttributes(nil, a), a.NextHop))
	s := t.shared[key]
	if s == nil {
		s = &sharedAttributes{Attributes: *a, key: key}
		s.Communities, s.ExtCommunities = slices.Clone(a.Communities), slices.Clone(a.ExtCommunities)
		if a.PMSI != nil {
			pmsi := *a.PMSI
			s.PMSI = &pmsi
		}
		t.shared[key] = s
	}
	s.uses++
	return s
}

func (t *table) release(s *sharedAttributes) {
	if s.uses--; s.uses == 0 {
		delete(t.shared, s.key)
	}
}

// join makes the cursor of a session that has been told nothing; a mark is due when it has
// been told what there is now.
func (t *table) join() *cursor {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := &cursor{wake: make(chan struct{}, 1)}
	c.isCursor = true
	c.linkAfter(&t.list)
	c.until = t.version + 1
	t.cursors = append(t.cursors, c)
	c.signal()
	return c
}

// rewind has everything sent again, and then a mark.
func (t *table) rewind(c *cursor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.unlink()
	c.linkAfter(&t.list)
	c.seen, c.until, c.begin = 0, t.version+1, true
	c.signal()
}

// leave ends a cursor.
func (t *table) leave(c *cursor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cursors = slices.DeleteFunc(t.cursors, func(o *cursor) bool { return o == c })
	next, oldest := c.next, t.oldest()
	c.unlink()
	for p := next; p != &t.list && (len(t.cursors) == 0 || p.version <= oldest); p = next { // what waited for it alone
		next = p.next
		if !p.isCursor && p.attributes == nil {
			p.unlink()
			t.forget(p.route.Key())
		}
	}
}

// oldest is the version that all sessions have been sent.
func (t *table) oldest() uint64 {
	v := t.version
	for _, c := range t.cursors {
		v = min(v, c.seen)
	}
	return v
}

// batch is what a session sends next: routes by their attributes, each list in the order of
// the routes' changes.
type batch struct {
	withdrawn []Route
	groups    []Update
	of        map[*sharedAttributes]int
	// begin says that everything is sent again from here on, again that the mark is for
	// that; mark says that what there was at the beginning is sent with this batch.
	begin, again, mark bool
}

func (b *batch) reset() {
	b.withdrawn, b.begin, b.again, b.mark = b.withdrawn[:0], false, false, false
	for i := range b.groups { // so that the routes' slices are used again
		b.groups[i].Announced = b.groups[i].Announced[:0]
		b.groups[i].Attributes = nil
	}
	b.groups = b.groups[:0]
	if b.of == nil {
		b.of = map[*sharedAttributes]int{}
	}
	clear(b.of)
}

func (b *batch) announce(p *place) {
	i, ok := b.of[p.attributes]
	if !ok {
		i = len(b.groups)
		b.of[p.attributes] = i
		if i < cap(b.groups) {
			b.groups = b.groups[:i+1]
		} else {
			b.groups = append(b.groups, Update{})
		}
		b.groups[i].Attributes = &p.attributes.Attributes
	}
	b.groups[i].Announced = append(b.groups[i].Announced, p.route)
}

// maxBatch is how many routes are taken at a time, with the lock held.
const maxBatch = 1000

// take fills b with what the session is to send next.
func (t *table) take(c *cursor, b *batch) {
	b.reset()
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.begin {
		b.begin, c.begin, c.again = true, false, true
	}
	p := c.next
	var gone []*place
	for n := 0; n < maxBatch && p != &t.list; p = p.next {
		if p.isCursor {
			continue
		}
		n++
		c.seen = p.version
		if p.attributes == nil {
			b.withdrawn = append(b.withdrawn, p.route)
			gone = append(gone, p)
			continue
		}
		if p.anew {
			b.withdrawn = append(b.withdrawn, p.route)
		}
		p.sent = true
		b.announce(p)
	}
	c.unlink()
	c.linkAfter(p.prev)
	if p == &t.list {
		c.seen = t.version
	} else {
		c.signal() // there is more
	}
	if c.until != 0 && c.seen+1 >= c.until {
		b.mark, b.again = true, c.again
		c.until, c.again = 0, false
	}
	oldest := t.oldest()
	for _, p := range gone {
		if p.version <= oldest {
			p.unlink()
			t.forget(p.route.Key())
		}
	}
}

// announced is how many routes the session has been told.
func (t *table) announced(c *cursor) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for p := t.list.next; p != &t.list; p = p.next {
		if !p.isCursor && p.attributes != nil && p.version <= c.seen {
			n++
		}
	}
	return n
}
