package underlay

import (
	"runtime"
	"unsafe"

	"github.com/uvtep/uvtep/internal/lend"
	"golang.org/x/sys/unix"
)

const (
	// readBatch is the most messages of one ReadBatch: enough that the frames of many
	// flows or tenants that take turns are joined, some of each.
	readBatch = 256
	// firstStep is the most messages of a ReadBatch's first recvmmsg, which knows nothing of
	// their lengths, and readStep of any. 64 KiB each, 16 are 1 MiB. With all 256 in one call,
	// the first large ones after small ones reached so much new memory, a page fault for each
	// 4 KiB, that a burst was over before one of its datagrams was forwarded.
	firstStep = 16
	readStep  = 64
	// readBytes is what one ReadBatch had better bring at most, and readLeast the fewest
	// messages that it asks for nevertheless.
	readBytes = 512 << 10
	readLeast = 8
	// readSize holds the largest UDP payload: a kernel VTEP on the same host
	// passes superframes whole.
	readSize = 64 << 10
	// readStride sets the buffers apart by an odd number of cache lines: at
	// 64 KiB exactly the headers of all would compete for one cache set.
	readStride = readSize + 33*64
	// readControl is room for the control messages of a datagram, in words of
	// eight bytes, the alignment of a cmsghdr: TOS, TTL, segment size and in6_pktinfo
	// take fourteen.
	readControl = 16
)

// mmsghdr is struct mmsghdr of recvmmsg(2) and sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// readBlock is what one ReadBatch fills, its headers wired to its buffers.
// Memory that no datagram reached is never backed by a page: see newReadMemory.
type readBlock struct {
	msgs    [readBatch]mmsghdr
	iovs    [readBatch]unix.Iovec
	names   [readBatch]unix.RawSockaddrInet6 // a sockaddr_in fits
	control [readBatch][readControl]uint64
	buf     []byte
}

func newReadBlock() *readBlock {
	b := &readBlock{}
	b.buf = newReadMemory(b)
	for i := range b.msgs {
		b.iovs[i].Base = &b.buf[i*readStride]
		b.iovs[i].SetLen(readSize)
		h := &b.msgs[i].hdr
		h.Iov = &b.iovs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Control = (*byte)(unsafe.Pointer(&b.control[i]))
	}
	b.rearm(readBatch)
	return b
}

// newReadMemory returns the buffers of a block, which are given back to the kernel when b is garbage. They are no memory
// of the Go heap: its runtime clears what it allocates, all 17 MiB, where the first of it was used before. Nor are they
// made of huge pages, of which one would back the buffers of thirty datagrams for the first byte of one.
func newReadMemory(b *readBlock) []byte {
	const size = readBatch * readStride
	buf, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil { // the address space is limited
		return make([]byte, size)
	}
	_ = unix.Madvise(buf, unix.MADV_NOHUGEPAGE) // a kernel without them refuses
	runtime.AddCleanup(b, func(buf []byte) { _ = unix.Munmap(buf) }, buf)
	return buf
}

// rearm restores the fields of the first n headers that the kernel wrote.
func (b *readBlock) rearm(n int) {
	for i := range b.msgs[:n] {
		h := &b.msgs[i].hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(readControl * 8)
	}
}

// Buffers is receive memory: 17 MiB of addresses a busy worker, of which a page costs memory
// once a datagram has reached it. A reader that waits has none, so that receivers with one
// Buffers among them (see [ReceiverConfig].Buffers) cost what the busy ones need. The zero
// value is ready to use.
type Buffers struct{ blocks lend.List[readBlock] }
