package tap

import (
	"encoding/binary"
	"errors"
	"os"
	"sync/atomic"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// answerSize holds any answer about one netdev: a dump's limit, of which the kernel
// says that one netdev's message fits (NLMSG_GOODSIZE in include/linux/netlink.h).
const answerSize = 32 << 10

// exchange sends a request that the kernel answers with one message of the given
// kind, or with an error or an acknowledgement. It returns that message's contents, or
// nil for an acknowledgement. NetlinkRequest.Execute has 64 KiB for an answer on the stack, so that each of
// thousands of goroutines that ask would have a stack of 128 KiB, to be cleared, copied and scanned.
func (r *rtnl) exchange(req *nl.NetlinkRequest, kind uint16) ([]byte, error) {
	handle := r.sockets[unix.NETLINK_ROUTE]
	s := handle.Socket
	req.Seq = atomic.AddUint32(&handle.Seq, 1)
	s.Lock()
	defer s.Unlock()
	if err := unix.Sendto(s.GetFd(), req.Serialize(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, os.NewSyscallError("sendto", err)
	}
	if r.answer == nil {
		r.answer = make([]byte, answerSize)
	}
	for {
		n, _, flags, from, err := unix.Recvmsg(s.GetFd(), r.answer, nil, 0)
		switch a, ok := from.(*unix.SockaddrNetlink); {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, os.NewSyscallError("recvmsg", err)
		case flags&unix.MSG_TRUNC != 0:
			return nil, os.NewSyscallError("recvmsg", unix.EMSGSIZE)
		case !ok || a.Pid != nl.PidKernel:
			continue // other programs can send to the socket
		}
		m, done, err := answerIn(r.answer[:n], req.Seq, kind)
		if done {
			return m, err
		}
	}
}

// answerIn finds the answer to the request seq among the messages of one read. The
// contents are a copy. done is false where it is not there.
func answerIn(b []byte, seq uint32, kind uint16) (m []byte, done bool, err error) {
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return nil, true, os.NewSyscallError("netlink", unix.EBADMSG)
		}
		body := b[unix.SizeofNlMsghdr:size]
		if binary.NativeEndian.Uint32(b[8:]) == seq {
			switch binary.NativeEndian.Uint16(b[4:]) {
			case kind:
				return append([]byte(nil), body...), true, nil
			case unix.NLMSG_ERROR:
				if len(body) < 4 {
					return nil, true, os.NewSyscallError("netlink", unix.EBADMSG)
				}
				if errno := -int32(binary.NativeEndian.Uint32(body)); errno != 0 {
					err = unix.Errno(errno)
				}
				return nil, true, err
			}
		}
		b = b[min(len(b), (size+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1)):]
	}
	return nil, false, nil
}
