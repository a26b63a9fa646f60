package txring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
)

const (
	// slots is how many packets a ring has room for, and slotSize the room of each, 1 MiB for all.
	slots    = 512
	slotSize = 2048
	// blockSize is what the kernel allocates at once.
	blockSize = 64 << 10
	// Of struct tpacket2_hdr (include/uapi/linux/if_packet.h): where the length is, and where the packet begins, which is
	// tp_hdrlen without a sockaddr_ll (tpacket_parse_header in net/packet/af_packet.c).
	slotLen  = 4
	slotData = 32
	// mostPacket is the longest packet of a slot, with its virtio header.
	mostPacket = slotSize - slotData
	// sendBuffer is the limit of what a ring's packets may occupy in queues of devices.
	sendBuffer = 8 << 20
)

// ring is a packet socket with a ring of packets to send. One goroutine uses it at a time.
//
// The kernel takes the slots in order and stops at the first that it cannot send. That slot stays its next one, and would be
// sent by the next call (tpacket_snd): so kick takes all slots back that the kernel has not taken, and
// head is the kernel's next slot always.
type ring struct {
	fd     int
	mem    []byte
	head   int // the kernel's next slot
	filled int // slots from head on that are to be sent
	to     unix.RawSockaddrLinklayer
	errno  syscall.Errno // of the last call
	calls  int           // of the last kick
}

// openRing opens a ring that belongs to no device: each call names one. Its protocol is 0, so that it receives nothing.
func openRing() (*ring, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	switch {
	case errors.Is(err, unix.EPERM):
		return nil, errors.New("the process lacks CAP_NET_RAW, which a packet socket needs")
	case errors.Is(err, unix.EAFNOSUPPORT):
		return nil, errors.New("there are no packet sockets: the kernel has none, or the unit says RestrictAddressFamilies= without AF_PACKET")
	case err != nil:
		return nil, fmt.Errorf("packet socket: %w", os.NewSyscallError("socket", err))
	}
	r := &ring{fd: fd}
	if err := r.set(sendBuffer); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// set makes the ring. The virtio header and the version come first: the kernel takes them no more with a ring.
func (r *ring) set(buffer int) error {
	if err := unix.SetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, buffer); err != nil {
		if err := unix.SetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, buffer); err != nil {
			return fmt.Errorf("packet socket: SO_SNDBUF: %w", err)
		}
	}
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
		return fmt.Errorf("packet socket: PACKET_VNET_HDR: %w", err)
	}
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2); err != nil {
		return fmt.Errorf("packet socket: PACKET_VERSION: %w", err)
	}
	request := unix.TpacketReq{Block_size: blockSize, Block_nr: slots * slotSize / blockSize, Frame_size: slotSize, Frame_nr: slots}
	if err := unix.SetsockoptTpacketReq(r.fd, unix.SOL_PACKET, unix.PACKET_TX_RING, &request); err != nil {
		return fmt.Errorf("packet socket: PACKET_TX_RING: %w", err)
	}
	var err error
	if r.mem, err = unix.Mmap(r.fd, 0, slots*slotSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return fmt.Errorf("packet socket: mmap: %w", err)
	}
	return nil
}

// status is that of a slot.
func (r *ring) status(slot int) *uint32 {
	return (*uint32)(unsafe.Pointer(&r.mem[slot*slotSize]))
}

// put writes p to the next slot, to be sent by kick. It is false where the packets of a device's queue occupy all slots.
func (r *ring) put(h *head, p *encap.Packet, sport uint16) bool {
	slot := (r.head + r.filled) % slots
	status := r.status(slot)
	if r.filled == slots || atomic.LoadUint32(status) != unix.TP_STATUS_AVAILABLE {
		return false
	}
	at, n := slot*slotSize, h.size(p)
	h.write(r.mem[at+slotData:at+slotData+n], p, sport)
	binary.NativeEndian.PutUint32(r.mem[at+slotLen:], uint32(n))
	atomic.StoreUint32(status, unix.TP_STATUS_SEND_REQUEST)
	r.filled++
	return true
}

// kick has the kernel hand the packets that were put to a device, and returns how many it took, the first ones. The ring is
// empty then.
//
// It takes fewer where the device is down or gone, its queue or the socket's buffer is full, or it refuses a packet.
func (r *ring) kick(device int, protocol uint16) (sent int) {
	r.to = unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Protocol: networkOrder(protocol), Ifindex: int32(device)}
	for r.calls = 0; r.filled > 0; {
		r.send()
		r.calls++
		n := r.taken()
		sent += n
		r.head, r.filled = (r.head+n)%slots, r.filled-n
		// A full buffer is no error of a call that sent something: what is left is offered again.
		if r.errno != 0 || n == 0 {
			break
		}
	}
	for i := range r.filled {
		atomic.StoreUint32(r.status((r.head+i)%slots), unix.TP_STATUS_AVAILABLE)
	}
	r.filled = 0
	return sent
}

// taken is how many of the slots that are filled the kernel took: those before the first that is to be sent still, or
// malformed in its eyes.
func (r *ring) taken() int {
	for i := range r.filled {
		if s := atomic.LoadUint32(r.status((r.head + i) % slots)); s&(unix.TP_STATUS_SEND_REQUEST|unix.TP_STATUS_WRONG_FORMAT) != 0 {
			return i
		}
	}
	return r.filled
}

// send is the call. It does not wait, so the scheduler is not told of it, as in package underlay.
func (r *ring) send() {
	for {
		_, _, r.errno = unix.RawSyscall6(unix.SYS_SENDTO, uintptr(r.fd), 0, 0, unix.MSG_DONTWAIT,
			uintptr(unsafe.Pointer(&r.to)), unix.SizeofSockaddrLinklayer)
		if r.errno != unix.EINTR {
			return
		}
	}
}

func networkOrder(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}

// close gives the ring back. Packets that a device still has are sent.
func (r *ring) close() error {
	var err error
	if r.mem != nil {
		err = unix.Munmap(r.mem)
		r.mem = nil
	}
	return errors.Join(err, unix.Close(r.fd))
}
