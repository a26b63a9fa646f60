package underlay

import (
	"runtime"
	"slices"
	"testing"
	"unsafe"
)

// TestSenderMemory is the budget of a caller of WriteBatch.
func TestSenderMemory(t *testing.T) {
	if n := unsafe.Sizeof(sender{}); n > 250<<10 {
		t.Errorf("a sender takes %d bytes", n)
	}
}

// TestSendersAreBounded: a burst of concurrent WriteBatch calls, 250 KiB each, leaves
// as many senders behind as the list keeps.
func TestSendersAreBounded(t *testing.T) {
	const burst = 200
	tx := &Transmitter{sockets: make([]poolSocket, 1)}
	borrow := func() (all []*sender) {
		for range burst {
			all = append(all, tx.senders.Borrow(tx.newSender))
		}
		return all
	}
	first := borrow()
	for _, s := range first {
		tx.senders.Return(s)
	}
	kept := 0
	for _, s := range borrow() {
		if slices.Contains(first, s) {
			kept++
		}
	}
	if most := max(16, runtime.NumCPU()); kept != most {
		t.Errorf("%d senders are kept after a burst of %d, want %d", kept, burst, most)
	}
}
