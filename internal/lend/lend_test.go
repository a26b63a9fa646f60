package lend

import (
	"runtime"
	"sync"
	"testing"
)

// TestBorrow: an item that was returned is lent again, the last one first, and to one
// borrower at a time.
func TestBorrow(t *testing.T) {
	var l List[int]
	a, b, c := new(int), new(int), new(int)
	*c = 3
	l.Return(a)
	l.Return(b)
	fresh := func() *int { return c }
	if l.Borrow(fresh) != b || l.Borrow(fresh) != a {
		t.Error("want the second item, then the first")
	}
	if l.Borrow(fresh) != c {
		t.Error("want a fresh item where none is idle")
	}
	if got := l.Borrow(nil); got == nil || *got != 0 {
		t.Error("want a zero value where none is idle and the caller makes none")
	}
}

// TestBound: what a burst returns is kept up to the bound. Memory that is lent has none.
func TestBound(t *testing.T) {
	var l List[int]
	want := max(leastKept, runtime.NumCPU())
	for range 4 * want {
		l.Return(new(int))
	}
	if n := len(l.idle); n != want {
		t.Errorf("%d idle items after a burst of %d, want %d", n, 4*want, want)
	}
}

// TestForgets: a list holds no reference to an item that is lent.
func TestForgets(t *testing.T) {
	var l List[int]
	l.Return(new(int))
	l.Borrow(nil)
	if kept := l.idle[:1][0]; kept != nil {
		t.Error("the list refers to an item that it lent")
	}
}

// TestNoAllocations: a batch that borrows and returns allocates nothing.
func TestNoAllocations(t *testing.T) {
	var l List[[1024]byte]
	l.Return(new([1024]byte))
	if n := testing.AllocsPerRun(100, func() { l.Return(l.Borrow(nil)) }); n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
}

// TestOneBorrowerAtATime, for the race detector: borrowers write to what they have.
func TestOneBorrowerAtATime(t *testing.T) {
	var l List[int]
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				item := l.Borrow(nil)
				*item++
				l.Return(item)
			}
		})
	}
	wg.Wait()
	total := 0
	for _, item := range l.idle {
		total += *item
	}
	if total != 8000 {
		t.Errorf("%d turns are counted, want 8000", total)
	}
}
