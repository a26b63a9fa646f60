// Package lend keeps large scratch memory between batches. A worker borrows an
// item for one batch, so that thousands of idle workers share the few items that
// the busy ones need.
package lend

import (
	"runtime"
	"sync"
)

// leastKept is how many idle items a list keeps on any machine.
const leastKept = 16

// List lends items of one kind. The zero value is an empty list. All methods may be
// called concurrently.
//
// A list keeps at most 16 idle items, or one a processor where there are more of
// those: workers that all run at once then allocate nothing, and a burst on
// thousands of links leaves no more behind.
type List[T any] struct {
	mu   sync.Mutex // innermost: nothing is locked below it
	idle []*T
}

// Borrow returns an item that the caller owns until Return, with whatever content its
// last borrower left. Where no item is idle it returns a new one: what fresh makes, or a
// zero value where fresh is nil.
func (l *List[T]) Borrow(fresh func() *T) *T {
	if item := l.pop(); item != nil {
		return item
	}
	if fresh == nil {
		return new(T)
	}
	return fresh()
}

// pop removes the item that was returned last; nil: there is none.
func (l *List[T]) pop() *T {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := len(l.idle) - 1
	if last < 0 {
		return nil
	}
	item := l.idle[last]
	l.idle[last] = nil
	l.idle = l.idle[:last]
	return item
}

// Return puts an item back for the next borrower, or leaves it to the garbage
// collector where the list has as many as it keeps.
func (l *List[T]) Return(item *T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.idle); n < leastKept || n < runtime.NumCPU() {
		l.idle = append(l.idle, item)
	}
}
