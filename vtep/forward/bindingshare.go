package forward

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

const (
	// bindingTries is how often a new address makes room that others then take.
	bindingTries = 4
	// A search ends with the oldest of bindingLeast addresses that may go, or of
	// those it has met after so many, and in any case after bindingMost.
	bindingLeast = 64
	bindingMost  = 1 << 13
)

// reserve takes a place for one more address, limit being those of the link, 0 for
// any number.
func (t *bindings) reserve(limit int) bool {
	if n := t.n.Add(1); t.closed.Load() || limit > 0 && n > int64(limit) || !t.all.Take() {
		t.n.Add(-1)
		return false
	}
	return true
}

// release gives a place of a remote back.
func (t *bindings) release(of fdb.RemoteID) {
	t.n.Add(-1)
	t.all.Give(1)
	t.shares.Add(of, -1)
}

// makeRoom forgets an address that a remote said, as a full FDB does with its
// entries: of the remote that said most, the oldest. No shard's lock is held.
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
		return true // it went by itself
	}
	delete(s.of, ip)
	t.release(b.from)
	return true
}

// oldest searches for the address that a remote, or any one, said longest ago and
// at least idle before now, from another shard each time.
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
				old = 0 // by a worker whose clock is ahead
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
