package underlay

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
)

// Rule is what a filter lets through to one link.
type Rule struct {
	filter *Filter
	number uint32
	before [countsARule]uint64 // what the links that had the number before had counted
	peers  map[encap.Addr]struct{}
	mode   atomic.Uint32 // a ruleMode
}

// Rule makes the rule of a link, which lets everybody pass; nil where there is no room.
func (f *Filter) Rule() *Rule {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n, ok := f.freeRules.reserve()
	if !ok {
		return nil
	}
	r := &Rule{filter: f, number: n, peers: map[encap.Addr]struct{}{}}
	for i := range r.before {
		r.before[i] = sum(f.counts, n*countsARule+uint32(i))
	}
	return r
}

func (r *Rule) index() uint32 {
	if r == nil {
		return 0 // which lets everybody pass
	}
	return r.number
}

// Allow lets packets of an address pass in either mode. It returns ErrFilterFull where there is no room. A rule is
// changed by one goroutine at a time.
func (r *Rule) Allow(a encap.Addr) error {
	if r == nil {
		return nil
	}
	if _, ok := r.peers[a]; ok {
		return nil
	}
	if err := r.filter.peers.Put(peerKey{r.number, a}, uint32(1)); err != nil {
		return fmt.Errorf("underlay: %w: %w", ErrFilterFull, err)
	}
	r.peers[a] = struct{}{}
	return nil
}

// Forbid takes Allow back.
func (r *Rule) Forbid(a encap.Addr) {
	if r != nil {
		delete(r.peers, a)
		_ = r.filter.peers.Delete(peerKey{r.number, a})
	}
}

// Peers has only allowed addresses pass, or everybody.
func (r *Rule) Peers(only bool) error {
	if r == nil {
		return nil
	}
	return r.set(rulePeers, only)
}

// MinTTL has only packets with such a TTL or hop limit pass, or a higher one; 0: any.
func (r *Rule) MinTTL(ttl uint8) error {
	if r == nil {
		return nil
	}
	return r.store(ruleMode(r.mode.Load())&(1<<ruleMinTTL-1) | ruleMode(ttl)<<ruleMinTTL)
}

// set sets a bit of the mode.
func (r *Rule) set(bit ruleMode, on bool) error {
	mode := ruleMode(r.mode.Load()) &^ bit
	if on {
		mode |= bit
	}
	return r.store(mode)
}

func (r *Rule) store(mode ruleMode) error {
	if err := r.filter.rules.Put(r.number, mode); err != nil {
		return err
	}
	r.mode.Store(uint32(mode))
	return nil
}

// Filters reports whether only allowed addresses pass.
func (r *Rule) Filters() bool { return r != nil && ruleMode(r.mode.Load())&rulePeers != 0 }

// NotPeer is how many datagrams were dropped since their source was not allowed.
func (r *Rule) NotPeer() uint64 { return r.counted(0) }

// LowTTL is how many datagrams were dropped since their TTL was below MinTTL.
func (r *Rule) LowTTL() uint64 { return r.counted(countLowTTL) }

// Messages is how many messages have passed, or would have been queued, a joined one as one.
func (r *Rule) Messages() uint64 { return r.counted(countMessages) }

// counted is one of the rule's counters.
func (r *Rule) counted(i uint32) uint64 {
	if r == nil {
		return 0
	}
	return sum(r.filter.counts, r.number*countsARule+i) - r.before[i]
}

// Close forgets the rule, which no gate names any more.
func (r *Rule) Close() {
	if r == nil {
		return
	}
	_ = errors.Join(r.Peers(false), r.Aside(false), r.MinTTL(0))
	for a := range r.peers {
		r.Forbid(a)
	}
	r.filter.mu.Lock()
	defer r.filter.mu.Unlock()
	r.filter.freeRules.release(r.number)
}
