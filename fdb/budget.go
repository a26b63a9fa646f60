package fdb

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Budget limits the unicast entries of several tables together. Where it is
// used up, a new entry takes the place of one of the table that has learned
// most. Make it with [NewBudget].
type Budget struct {
	max  atomic.Int64 // 0 or less: no limit
	used atomic.Int64

	mu     sync.Mutex // before a shard's lock; taken where a place has to be made
	tables []*Table
	most   *Table // as of the last look at all
	asked  int    // times since then
}

// NewBudget is a budget of so many entries; 0 or less is no limit.
func NewBudget(entries int) *Budget {
	b := &Budget{}
	b.SetMax(entries)
	return b
}

// SetMax changes the limit; 0 or less is none. One below the present number
// removes nothing at once: each new entry then costs several old ones until there
// are no more than that.
func (b *Budget) SetMax(entries int) { b.max.Store(int64(entries)) }

// Max is the limit, 0 or less for none.
func (b *Budget) Max() int { return int(b.max.Load()) }

// Used is the number of entries.
func (b *Budget) Used() int { return int(b.used.Load()) }

// Take counts one entry more, unless there are as many as there may be. Tables do
// it by themselves.
func (b *Budget) Take() bool {
	if b == nil {
		return true
	}
	for {
		n, limit := b.used.Load(), b.max.Load()
		if limit > 0 && n >= limit {
			return false
		}
		if b.used.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Give counts n entries fewer.
func (b *Budget) Give(n int) {
	if b != nil {
		b.used.Add(int64(-n))
	}
}

func (b *Budget) join(t *Table) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tables = append(b.tables, t)
}

func (b *Budget) leave(t *Table) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.most = nil
	b.tables = slices.DeleteFunc(b.tables, func(o *Table) bool { return o == t })
}

// giver is the table that gives a place to a new entry of t: the one that has
// learned most, or t itself where it would then have as many as that one; nil
// where there is nothing to give. With each place it looks at a few tables, on
// average, so that thousands of them cost no more: with more than eight, the one
// that gives is the one that held most a few places ago.
func (b *Budget) giver(t *Table) *Table {
	b.mu.Lock()
	defer b.mu.Unlock()
	own := t.shares.Total()
	if b.most == nil || b.asked >= len(b.tables)/8 || b.most.shares.Total() < own {
		b.asked = 0
		b.most = slices.MaxFunc(b.tables, func(x, y *Table) int { return x.shares.Total() - y.shares.Total() })
	}
	b.asked++
	switch most := b.most.shares.Total(); {
	case own > 0 && most < own+2:
		return t
	case most > 0:
		return b.most
	}
	return nil
}
