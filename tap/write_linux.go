package tap

import (
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
)

// maxMore is the most continuation slices of a frame that is written:
// UDP_MAX_SEGMENTS (include/linux/udp.h) less the first segment. The kernel
// would take 1,022 (UIO_MAXIOV less header and Data).
const maxMore = 127

// What is known of superframes of one kind in writes; below superRefused, how
// many were refused while none was taken. More than one, so that a malformed
// first one does not decide for all.
const (
	superRefused uint32 = 4
	superTaken   uint32 = 5
)

// superframes is what a netdev's kernel does with superframes in writes, by
// kind. UDP ones are refused before Linux 6.2, and some stable kernels of 2024
// (6.1.103, 6.6.44, 6.10.3) refuse more than they should.
type superframes struct {
	state [encap.GSOUDP + 1]atomic.Uint32

	deny bool // tests: as a kernel that knows none
}

// switchOff makes the kinds in off be cut without a try.
func (s *superframes) switchOff(off Offload) {
	if off&OffloadTSO != 0 {
		s.state[encap.GSOTCPv4].Store(superRefused)
		s.state[encap.GSOTCPv6].Store(superRefused)
	}
	if off&OffloadUSO != 0 {
		s.state[encap.GSOUDP].Store(superRefused)
	}
}

// offload is what the kernel takes, or is not known to refuse.
func (s *superframes) offload() Offload {
	o := OffloadChecksum
	if s.state[encap.GSOTCPv4].Load() != superRefused && s.state[encap.GSOTCPv6].Load() != superRefused {
		o |= OffloadTSO
	}
	if s.state[encap.GSOUDP].Load() != superRefused {
		o |= OffloadUSO
	}
	return o
}

// write hands the frames to the kernel, each in one writev of header and
// data, so that nothing is copied or changed here.
func (q *queue) write(frames []encap.Frame) (int, error) {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.closed.Load() {
		return 0, os.ErrClosed
	}
	var (
		n     int
		first error
	)
	for i := range frames {
		f := &frames[i]
		var errno syscall.Errno
		switch {
		case len(f.Data) < encap.EthernetHeaderLen:
			errno = unix.EINVAL
		case f.Offload.Kind != encap.GSONone:
			errno = q.writeSuper(f)
		default:
			errno = writeFrame(q.fd, f)
		}
		switch errno {
		case 0:
			n++
		case unix.EIO:
			// IFF_UP is not set (tun_get_user): the rest would fare no better.
			return n, ErrDown
		case unix.EBADFD:
			return n, ErrGone
		default:
			first = ErrRefused
		}
	}
	return n, first
}

// writeSuper writes a superframe, whole or, where the kernel refuses that, as
// the frames that it stands for. Once one of a kind was taken, a refusal is
// that frame's fault.
func (q *queue) writeSuper(f *encap.Frame) syscall.Errno {
	if f.Offload.Kind > encap.GSOUDP {
		return unix.EINVAL
	}
	state := &q.super.state[f.Offload.Kind]
	known := state.Load()
	if known != superRefused {
		errno := unix.EINVAL
		if !q.super.deny {
			errno = writeFrame(q.fd, f)
		}
		if errno == 0 && known != superTaken {
			state.Store(superTaken)
		}
		if errno != unix.EINVAL {
			return errno
		}
	}
	errno := q.writeCut(f)
	if errno == 0 && known < superRefused {
		state.CompareAndSwap(known, known+1)
	}
	return errno
}

// writeCut writes the frames that a superframe stands for.
func (q *queue) writeCut(f *encap.Frame) syscall.Errno {
	if f.Len()+encap.TaggedMACsLen-encap.MACsLen > maxRead {
		return unix.EINVAL
	}
	s := slabs.Borrow(nil)
	defer slabs.Return(s)
	offload := f.Offload
	if f.VLAN != 0 {
		offload.CsumStart += encap.TaggedMACsLen - encap.MACsLen
	}
	at := len(encap.AppendTagged(s[:0], f))
	for _, b := range f.More {
		at += copy(s[at:], b)
	}
	flat := encap.Frame{Data: s[:at:at], Offload: offload}
	var cut encap.Segmenter
	if !cut.Init(&flat) {
		return unix.EINVAL
	}
	head := s[maxRead : maxRead+cut.HeaderLen()]
	for {
		payload, ok := cut.Next(head)
		if !ok {
			return 0
		}
		if errno := writeSegment(q.fd, head, payload); errno != 0 {
			return errno
		}
	}
}

// writeSegment writes an ordinary frame that lies in two parts.
func writeSegment(fd int, head, payload []byte) syscall.Errno {
	var hdr [vnetHeaderLen]byte
	iov := [3]unix.Iovec{{Base: &hdr[0]}, {Base: &head[0]}, {Base: &payload[0]}}
	iov[0].SetLen(vnetHeaderLen)
	iov[1].SetLen(len(head))
	iov[2].SetLen(len(payload))
	return writev(fd, &iov[0], len(iov))
}

// frameHead is what is written before a frame's Data: the virtio-net header
// and, where the frame is to have a tag, the MAC addresses with it.
type frameHead [vnetHeaderLen + encap.TaggedMACsLen]byte

// untagged is where Data goes on behind a frameHead.
func untagged(f *encap.Frame) int {
	if f.VLAN != 0 {
		return encap.MACsLen
	}
	return 0
}

// headFor fills head for f and returns its length.
func headFor(f *encap.Frame, head *frameHead) int {
	h := vnetFor(f)
	n := vnetHeaderLen
	if f.VLAN != 0 {
		n = len(head)
		encap.PutTaggedMACs((*[encap.TaggedMACsLen]byte)(head[vnetHeaderLen:]), f)
		h.tagged()
	}
	h.encode((*[vnetHeaderLen]byte)(head[:]))
	return n
}

// writeFrame writes f in one call.
func writeFrame(fd int, f *encap.Frame) syscall.Errno {
	if len(f.More) > 0 {
		return writePieces(fd, f)
	}
	var (
		head frameHead
		iov  [2]unix.Iovec
	)
	data := f.Data[untagged(f):]
	iov[0].Base = &head[0]
	iov[0].SetLen(headFor(f, &head))
	iov[1].Base = &data[0]
	iov[1].SetLen(len(data))
	return writev(fd, &iov[0], len(iov))
}

// writePieces writes a frame of several slices. It is a function of its own
// because its vector is 2 KiB of stack, which ordinary frames need not clear;
// on the stack, so that concurrent writers share nothing.
func writePieces(fd int, f *encap.Frame) syscall.Errno {
	var (
		head frameHead
		iov  [2 + maxMore]unix.Iovec
	)
	if len(f.More) > maxMore {
		return unix.EINVAL
	}
	data := f.Data[untagged(f):]
	iov[0].Base = &head[0]
	iov[0].SetLen(headFor(f, &head))
	iov[1].Base = &data[0]
	iov[1].SetLen(len(data))
	n := 2
	for _, b := range f.More {
		if len(b) == 0 {
			continue
		}
		iov[n].Base = &b[0]
		iov[n].SetLen(len(b))
		n++
	}
	return writev(fd, &iov[0], n)
}

// writev is writev(2) again until no signal interrupts it. unix.Writev would
// allocate its vector. The call does not wait, so the scheduler is not notified of it:
// it would take the processor away from one that copies for 20 microseconds.
func writev(fd int, iov *unix.Iovec, n int) syscall.Errno {
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(iov)), uintptr(n))
		if errno != unix.EINTR {
			return errno
		}
	}
}
