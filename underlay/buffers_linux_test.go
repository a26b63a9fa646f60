package underlay

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
)

// TestMemoryComesBack: a receiver that ends, in whichever way and with a batch just read, leaves its memory to the next one.
func TestMemoryComesBack(t *testing.T) {
	a, b := newWire(t)
	tx := a.transmitter(t, TransmitterConfig{})
	for name, end := range map[string]func(*Receiver) error{"close": (*Receiver).Close, "stop": (*Receiver).Stop, "drain": (*Receiver).Drain} {
		t.Run(name, func(t *testing.T) {
			var lent Buffers
			rx := b.listen(t, ReceiverConfig{Port: port, Buffers: &lent})
			send(t, tx, encap.SendOK, packet(b.addr(false), port, "frame"))
			d := make([]encap.Datagram, 8)
			if _, err := rx.ReadBatch(0, d); err != nil {
				t.Fatal(err)
			}
			if err := end(rx); err != nil {
				t.Fatal(err)
			}
			if _, err := rx.ReadBatch(0, d); !errors.Is(err, net.ErrClosed) {
				t.Fatalf("a read after the end: %v", err)
			}
			lent.blocks.Borrow(func() *readBlock { t.Error("the memory was not returned"); return nil })
			if err := rx.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestUntouchedMemory: of a block's 17 MiB only what datagrams reached takes memory, also where the Go heap has room that
// was used before.
func TestUntouchedMemory(t *testing.T) {
	used := make([][]byte, 8)
	for i := range used {
		used[i] = make([]byte, readBatch*readStride)
		for at := 0; at < len(used[i]); at += os.Getpagesize() {
			used[i][at] = 1
		}
	}
	clear(used)
	runtime.GC()
	block := newReadBlock()
	block.buf[0], block.buf[readStride] = 1, 1
	resident := make([]byte, len(block.buf)/os.Getpagesize())
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&block.buf[0])), uintptr(len(resident)*os.Getpagesize()), uintptr(unsafe.Pointer(&resident[0])))
	if errno != 0 {
		t.Fatal(errno)
	}
	pages := 0
	for _, r := range resident {
		pages += int(r & 1)
	}
	if pages != 2 {
		t.Errorf("two datagrams' starts take %d pages of %d", pages, len(resident))
	}
}

// TestMemoryIsGivenBack: blocks that nobody has any more, as after a burst on thousands of links, give their addresses back.
func TestMemoryIsGivenBack(t *testing.T) {
	mapped := func() (n int) {
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(maps)) {
			var from, to int
			if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err == nil && to-from >= readBatch*readStride {
				n += (to - from) / (readBatch * readStride)
			}
		}
		return n
	}
	before := mapped()
	blocks := make([]*readBlock, 32)
	for i := range blocks {
		blocks[i] = newReadBlock()
	}
	if n := mapped(); n < before+len(blocks) {
		t.Fatalf("%d blocks are mapped with %d more", n, len(blocks))
	}
	clear(blocks)
	err := lab.Eventually(patience, func() error {
		runtime.GC()
		if n := mapped(); n > before+len(blocks)/2 {
			return fmt.Errorf("%d blocks are mapped, %d were before", n, before)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
