package forward

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// ToldNeighbour is the host of an address that a controller knows.
type ToldNeighbour struct {
	MAC encap.MAC
	// Router and Override are the flags of its advertisements (RFC 4861 section 4.4; RFC
	// 9047 section 2.1).
	Router, Override bool
	Mark             fdb.Mark // of the controller
}

// ToldNeighbours are the addresses that a proxy answers for because a controller said so,
// where the netdev's neighbour table does not have them (the ARP/ND suppression of RFC 9161
// section 3.3). The data path takes the lock to read, for questions for neighbours alone. The
// zero value is empty.
type ToldNeighbours struct {
	n  atomic.Int64 // so that a link without any takes no lock
	mu sync.RWMutex // no other lock is taken under it
	of map[encap.Addr]ToldNeighbour
}

// Find is the host of an address.
func (t *ToldNeighbours) Find(ip encap.Addr) (n ToldNeighbour, ok bool) {
	if t.n.Load() == 0 {
		return n, false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	n, ok = t.of[ip]
	return n, ok
}

// Put sets the host of an address. It reports false where the address would be one more than
// limit; 0: there may be any number.
func (t *ToldNeighbours) Put(ip encap.Addr, n ToldNeighbour, limit int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.of[ip]; !known && limit > 0 && len(t.of) >= limit {
		return false
	}
	if t.of == nil {
		t.of = make(map[encap.Addr]ToldNeighbour)
	}
	t.of[ip] = n
	t.n.Store(int64(len(t.of)))
	return true
}

// Delete removes an address.
func (t *ToldNeighbours) Delete(ip encap.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, ip)
	t.shrink()
}

// Sweep removes the addresses of some marks and returns how many there were.
func (t *ToldNeighbours) Sweep(marks map[fdb.Mark]bool) (removed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for ip, n := range t.of {
		if marks[n.Mark] {
			delete(t.of, ip)
			removed++
		}
	}
	t.shrink()
	return removed
}

// shrink follows a removal. The lock is held.
func (t *ToldNeighbours) shrink() {
	t.n.Store(int64(len(t.of)))
	if len(t.of) == 0 {
		t.of = nil // a map does not shrink
	}
}

// Addresses are the addresses, in order.
func (t *ToldNeighbours) Addresses() []encap.Addr {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := make([]encap.Addr, 0, len(t.of))
	for ip := range t.of {
		all = append(all, ip)
	}
	slices.SortFunc(all, func(a, b encap.Addr) int { return bytes.Compare(a[:], b[:]) })
	return all
}
