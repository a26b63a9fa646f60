package underlay

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
)

// The words of SO_MEMINFO, of which the last is sk_drops (sk_get_meminfo in
// net/core/sock.c, SK_MEMINFO_VARS in include/uapi/linux/sock_diag.h).
const (
	memInfoDrops = 8
	memInfoWords = 9
)

// Losses is what was lost until now. The kernel is asked, where a control message
// with each datagram (SO_RXQ_OVFL) would say nothing while none comes through.
func (r *Receiver) Losses() encap.Losses {
	r.lossMu.Lock()
	defer r.lossMu.Unlock()
	var l encap.Losses
	dropped := uint64(0)
	r.each(func(rd *reader) {
		dropped += rd.dropped() - rd.before
		l.Unreadable += rd.unreadable.Load()
	})
	// What the filter refused is among them, and counted by its reason. It is asked
	// last, so that nothing that it refused since is taken for an overflow.
	if refused := r.cfg.Filter.Dropped(); dropped > refused {
		r.overflow = max(r.overflow, dropped-refused)
	}
	l.Overflow = r.overflow
	return l
}

// dropped is sk_drops as a number that does not wrap, if it is asked for before
// 2^32 more are dropped. A closed socket has what it had when it was last asked.
func (r *reader) dropped() uint64 {
	_ = r.raw.Control(func(fd uintptr) {
		var words [memInfoWords]uint32
		size := uint32(unsafe.Sizeof(words))
		_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&words)), uintptr(unsafe.Pointer(&size)), 0)
		if errno == 0 && size == uint32(unsafe.Sizeof(words)) { // Linux 4.12 and later
			r.drops += uint64(words[memInfoDrops] - uint32(r.drops))
		}
	})
	return r.drops
}
