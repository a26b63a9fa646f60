package forward

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

const (
	// bindingTries is how often a new address makes room that other addresses then take.
	bindingTries = 4
	// A search looks at bindingLeast addresses at least, where it finds one that may go,
	// and at bindingMost at most.
	bindingLeast = 64
	bindingMost  = 1 << 13
)

// reserve takes a place for one more address, where limit is how many the link may have, 0
// for any number.
func (t *bindings) reserve(limit int) bool {
	if n := t.n.Add(1); t.closed.Load() || limit > 0 && n > int64(limit) || !t.all.Take() {
		t.n.Add(-1)
		return false
	}
	return true
}

// release frees the place of an address of a remote.
func (t *bindings) release(of fdb.RemoteID) {
	t.n.Add(-1)
	t.all.Give(1)
	t.shares.Add(of, -1)
}

// makeRoom removes one address, as a full FDB does with its entries: the oldest of the
// remote that has most. No shard's lock is held.
func (t *bindings) makeRoom(newcomer fdb.RemoteID, now fdb.Tick) bool {
	giver, last, ok := t.shares.Giver(newcomer)
	if !ok {
		return false
	}
	var idle fdb.Tick
	if last {
		idle = fdb.LastIdle
	}
	ip, found := t.oldest(giver, last, idle, now)
	if !found {
		return false
	}
	s := t.shard(&ip)
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.of[ip]
	if !ok || !last && b.from != giver {
		return true // the address was removed meanwhile
	}
	delete(s.of, ip)
	t.release(b.from)
	return true
}

// oldest searches for the address that a remote, or any remote, claimed longest ago, and at
// least idle ticks ago. Each search begins with another shard.
func (t *bindings) oldest(of fdb.RemoteID, anyOne bool, idle, now fdb.Tick) (ip encap.Addr, found bool) {
	looked, age := 0, fdb.Tick(0)
	for range t.shards {
		s := &t.shards[t.hand.Add(1)%bindingShards]
		s.mu.Lock()
		for a, b := range s.of {
			if looked++; looked > bindingMost {
				break
			}
			old := now - b.heard
			if int32(old) < 0 {
				old = 0 // the clock of the worker that noted it is ahead
			}
			if (anyOne || b.from == of) && old >= idle && (!found || old > age) {
				ip, found, age = a, true, old
			}
		}
		s.mu.Unlock()
		if found && looked >= bindingLeast {
			break
		}
	}
	return ip, found
}
