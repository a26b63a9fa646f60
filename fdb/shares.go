package fdb

import (
	"slices"
	"sync"
)

// Nobody is no remote: who makes room for what no remote sent.
const Nobody = ^RemoteID(0)

// Shares counts the places of a table that each remote holds, and knows who
// holds most. When the table is full that one gives a place ([Shares.Giver]): who
// floods a table with addresses then loses its own.
//
// The zero value is empty. All methods are safe for concurrent use; a change
// costs a few swaps in a heap, and memory only with the first place of a remote.
type Shares struct {
	mu    sync.Mutex // after a shard's lock; no other is taken under it
	heap  []share    // who holds most is the first
	pages []*sharePage
	total int
}

// share is how much one remote holds: 8 bytes, and 4 in a page.
type share struct {
	id RemoteID
	n  uint32
}

// sharePage has the places in heap, counted from 1, of remotes with neighbouring
// handles; handles are dense, as their owner gives those out again that are free.
type sharePage [256]uint32

// Add counts n places more, or fewer, for a remote.
func (s *Shares) Add(id RemoteID, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(id, n)
}

// Move counts one place from a remote to another.
func (s *Shares) Move(from, to RemoteID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(from, -1)
	s.add(to, 1)
}

// Total is how many places all remotes hold.
func (s *Shares) Total() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// Giver is the remote that gives a place to a new entry of the remote newcomer: the
// one that holds most, or newcomer itself where it would then hold as much as that
// one does. last is set where each remote holds a single place, so that the
// giver would lose its only one. ok is false where nobody holds any.
func (s *Shares) Giver(newcomer RemoteID) (id RemoteID, last, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.heap) == 0 {
		return 0, false, false
	}
	most := s.heap[0]
	if i := s.place(newcomer); i != 0 && most.n < s.heap[i-1].n+2 {
		return newcomer, false, true
	}
	return most.id, most.n == 1, true
}

// Trim frees memory that is no longer needed.
func (s *Shares) Trim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cap(s.heap) > 16 && cap(s.heap) > 4*len(s.heap) {
		s.heap = slices.Clone(s.heap)
	}
	last := 0
	for i, p := range s.pages {
		switch {
		case p == nil:
		case *p == sharePage{}:
			s.pages[i] = nil
		default:
			last = i + 1
		}
	}
	s.pages = s.pages[:last]
	if cap(s.pages) > 16 && cap(s.pages) > 4*last {
		s.pages = slices.Clone(s.pages)
	}
}

// reset forgets everything.
func (s *Shares) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heap, s.pages, s.total = nil, nil, 0
}

func (s *Shares) add(id RemoteID, n int) {
	at := s.place(id)
	if at == 0 {
		if n <= 0 {
			return // it holds nothing that it could give
		}
		s.heap = append(s.heap, share{id: id})
		at = uint32(len(s.heap))
		s.setPlace(id, at)
	}
	i := int(at) - 1
	s.total += n
	s.heap[i].n = uint32(int(s.heap[i].n) + n)
	if n > 0 {
		s.up(i)
		return
	}
	i = s.down(i)
	if s.heap[i].n == 0 { // then it is a leaf, or all below it hold nothing as well, which nobody does
		s.remove(i)
	}
}

// remove takes the i-th of the heap, which holds nothing, out of it.
func (s *Shares) remove(i int) {
	s.setPlace(s.heap[i].id, 0)
	end := len(s.heap) - 1
	if i != end {
		s.heap[i] = s.heap[end]
		s.setPlace(s.heap[i].id, uint32(i+1))
	}
	s.heap = s.heap[:end]
	if i != end {
		s.up(s.down(i))
	}
}

// up moves the i-th of the heap to where nobody above it holds less.
func (s *Shares) up(i int) {
	for i > 0 {
		above := (i - 1) / 2
		if s.heap[above].n >= s.heap[i].n {
			return
		}
		s.swap(i, above)
		i = above
	}
}

// down moves the i-th of the heap to where nobody below it holds more, and
// returns that place.
func (s *Shares) down(i int) int {
	for {
		more := 2*i + 1
		if more >= len(s.heap) {
			return i
		}
		if more+1 < len(s.heap) && s.heap[more+1].n > s.heap[more].n {
			more++
		}
		if s.heap[more].n <= s.heap[i].n {
			return i
		}
		s.swap(i, more)
		i = more
	}
}

func (s *Shares) swap(i, j int) {
	s.heap[i], s.heap[j] = s.heap[j], s.heap[i]
	s.setPlace(s.heap[i].id, uint32(i+1))
	s.setPlace(s.heap[j].id, uint32(j+1))
}

// place is where id stands in the heap, counted from 1; 0: it holds nothing.
func (s *Shares) place(id RemoteID) uint32 {
	n := int(id) / len(sharePage{})
	if n >= len(s.pages) || s.pages[n] == nil {
		return 0
	}
	return s.pages[n][int(id)%len(sharePage{})]
}

func (s *Shares) setPlace(id RemoteID, at uint32) {
	n := int(id) / len(sharePage{})
	if n >= len(s.pages) {
		s.pages = append(s.pages, make([]*sharePage, n+1-len(s.pages))...)
	}
	if s.pages[n] == nil {
		s.pages[n] = new(sharePage)
	}
	s.pages[n][int(id)%len(sharePage{})] = at
}
