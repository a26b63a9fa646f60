package underlay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/spin"
	"golang.org/x/sys/unix"
)

// reader is one worker's socket. It is a net.UDPConn, not a bare descriptor:
// its RawConn waits in the runtime's poller, survives a Close in mid-read, and
// x/net takes it for the group; the closure for it is made once, so that a
// read allocates nothing.
type reader struct {
	conn *net.UDPConn
	raw  syscall.RawConn
	recv func(fd uintptr) bool

	buffers *Buffers
	block   *readBlock // nil while the reader waits
	spin    spin.Spinner
	closed  atomic.Bool // set before conn is closed or drained, so that a spinning reader lets go

	draining atomic.Bool
	drained  int         // batches
	stopped  atomic.Bool // see Receiver.Stop

	unreadable atomic.Uint64 // see Losses

	drops  uint64 // by the kernel, see dropped; guarded by Receiver.lossMu
	before uint64 // drops of the process that had the socket before; immutable

	// step is how many messages the next ReadBatch's first recvmmsg asks for: what the caches
	// hold, readBytes, if they are like the last ones, so that their bytes are read again, by
	// who sums and copies them, before others drive them out.
	step  int
	want  int // messages of the ReadBatch under way
	got   int // of them, so far
	bytes int // that those have
	errno syscall.Errno
}

func newReader(conn *net.UDPConn, cfg *ReceiverConfig) (*reader, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	r := &reader{conn: conn, raw: raw, buffers: cfg.Buffers, step: readLeast}
	r.recv = r.recvmmsg
	if cerr := raw.Control(func(fd uintptr) { r.spin, err = spin.New(int(fd), cfg.Spin) }); cerr != nil {
		err = cerr
	}
	return r, err
}

// recvmmsg is the body of the RawConn's read: false waits for readability. It goes on, with
// twice as many messages a call, while there are more and they fit readBytes, if they are like
// those before. The calls do not wait, so the scheduler is not notified of them: it would take
// the processor away from one that copies for 20 microseconds.
func (r *reader) recvmmsg(fd uintptr) bool {
	if r.block == nil {
		r.block = r.buffers.blocks.Borrow(newReadBlock)
	}
	for step := min(r.want, r.step); step > 0; {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.block.msgs[r.got])),
			uintptr(step), unix.MSG_DONTWAIT, 0, 0)
		switch {
		case errno == unix.EINTR:
			continue
		case errno != 0 && r.got > 0: // an error that is more than this call's comes again
			return true
		case errno == unix.EAGAIN:
			if r.spin.Again() && !r.closed.Load() {
				continue
			}
			r.release()
			return false
		case errno != 0:
			r.errno = errno
			return true
		}
		for i := range r.block.msgs[r.got:][:n] {
			r.bytes += int(r.block.msgs[r.got+i].len)
		}
		r.got += int(n)
		if int(n) < step {
			return true
		}
		step = min(r.want-r.got, r.alike()-r.got, 2*step, readStep)
	}
	return true
}

// alike is how many messages readBytes are, if they are like those of the ReadBatch under way.
func (r *reader) alike() int { return readBytes * r.got / max(r.bytes, 1) }

// ReadBatch reads at least one and up to len(d) messages of worker w, waiting
// for the first alone. What d points to is valid until the worker's next
// ReadBatch. After Close, and after Drain once nothing is left, the error is
// net.ErrClosed. A worker is read by one goroutine at a time.
//
// A message is one datagram, or several of one flow that the kernel joined,
// which SegSize cuts apart again. There is a trap: from a kernel VTEP on this
// host comes one datagram whose inner UDP packet stands for many, and SegSize
// is then the size of those inner payloads, since the kernel reports the only
// gso_size that a buffer has (udp_cmsg_recv in include/linux/udp.h). Nothing in
// the bytes shows which of the two it is: only Device shows who may have sent it.
func (r *Receiver) ReadBatch(w int, d []encap.Datagram) (int, error) {
	if len(d) == 0 {
		return 0, nil
	}
	rd := r.reader(w)
	n, err := rd.read(d)
	if err != nil {
		rd.release()
	}
	return n, err
}

// release returns the block, if the reader has one. A reader that ended with a block would leave it to the garbage
// collector, and the next one to borrow would make another.
func (r *reader) release() {
	if r.block != nil {
		r.buffers.blocks.Return(r.block)
		r.block = nil
	}
}

// read is ReadBatch but for what becomes of the block.
func (r *reader) read(d []encap.Datagram) (int, error) {
	for {
		r.want, r.got, r.bytes, r.errno = min(len(d), readBatch), 0, 0, 0
		if err := r.raw.Read(r.recv); err != nil {
			if errors.Is(err, net.ErrClosed) || r.stopped.Load() || r.draining.Load() && !r.rest() {
				return 0, net.ErrClosed
			}
			if !r.draining.Load() {
				return 0, fmt.Errorf("underlay: read: %w", err)
			}
		}
		if r.errno != 0 {
			return 0, fmt.Errorf("underlay: read: %w", os.NewSyscallError("recvmmsg", r.errno))
		}
		n := r.block.datagrams(d, r.got)
		if cut := r.got - n; cut > 0 {
			r.unreadable.Add(uint64(cut))
		}
		r.block.rearm(r.got)
		r.spin.Done(n, r.bytes)
		r.step = min(max(r.alike(), readLeast), firstStep)
		if n > 0 {
			return n, nil
		}
	}
}

// drainBatches bounds what is read from a drained socket, since more may arrive all the
// while.
const drainBatches = 4096

// rest reads what is left in a drained socket; false: nothing.
func (r *reader) rest() bool {
	r.drained++
	more := false
	err := r.raw.Control(func(fd uintptr) { more = r.recvmmsg(fd) })
	return err == nil && more && r.drained <= drainBatches
}

// datagrams describes what recvmmsg got; what was cut is left out.
func (b *readBlock) datagrams(d []encap.Datagram, got int) int {
	n := 0
	for i := range b.msgs[:got] {
		m := &b.msgs[i]
		if m.hdr.Flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
			continue
		}
		at, size := i*readStride, int(m.len)
		out := &d[n]
		*out = encap.Datagram{Payload: b.buf[at : at+size : at+size]}
		if !source(&b.names[i], out) {
			continue
		}
		readControls(&b.control[i], int(m.hdr.Controllen), out)
		n++
	}
	return n
}

func source(sa *unix.RawSockaddrInet6, d *encap.Datagram) bool {
	switch sa.Family {
	case unix.AF_INET:
		sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		d.Src = encap.Addr{10: 0xff, 11: 0xff, 12: sa4.Addr[0], 13: sa4.Addr[1], 14: sa4.Addr[2], 15: sa4.Addr[3]}
	case unix.AF_INET6:
		d.Src = sa.Addr
	default:
		return false
	}
	d.SrcPort = networkPort(sa.Port)
	return true
}

// readControls takes from the control messages the TOS (one byte,
// ip_cmsg_recv_tos) or the traffic class (an int,
// ip6_datagram_recv_common_ctl), the TTL or hop limit (an int), the segment size (an int, udp_cmsg_recv), and
// the device (the first field of in_pktinfo, the second of in6_pktinfo).
func readControls(control *[readControl]uint64, size int, d *encap.Datagram) {
	base := unsafe.Pointer(control)
	for at := 0; at+unix.SizeofCmsghdr <= size; {
		h := (*unix.Cmsghdr)(unsafe.Add(base, at))
		if int(h.Len) < unix.SizeofCmsghdr || at+int(h.Len) > size {
			return
		}
		data := unsafe.Add(base, at+unix.CmsgLen(0))
		switch {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_TOS:
			d.TOS = *(*uint8)(data)
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_TCLASS:
			d.TOS = uint8(*(*int32)(data))
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_TTL, h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_HOPLIMIT:
			d.TTL = uint8(*(*int32)(data))
		case h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO:
			d.SegSize = uint16(*(*int32)(data))
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO:
			d.Device = uint32((*unix.Inet4Pktinfo)(data).Ifindex)
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO:
			d.Device = (*unix.Inet6Pktinfo)(data).Ifindex
		}
		at += unix.CmsgSpace(int(h.Len) - unix.CmsgLen(0))
	}
}

// networkPort reads or makes the port of a sockaddr, which is big endian.
func networkPort(p uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&p))[:])
}
