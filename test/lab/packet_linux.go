package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Packet is a frame seen on a device, from the Ethernet header on. A VLAN tag that the kernel took out is back in place.
type Packet struct {
	Time     time.Time
	Data     []byte // own copy, cut at the snap length
	Length   int    // on the wire
	Outgoing bool   // sent by the host itself
	Partial  bool   // a transport checksum was left to the (virtual) hardware: the stored one is a pseudo-header sum
}

// EtherType returns the frame's EtherType, that of the tag where there is one; 0 where the frame is cut.
func (p Packet) EtherType() uint16 {
	if len(p.Data) < 14 {
		return 0
	}
	return binary.BigEndian.Uint16(p.Data[12:])
}

// ErrTimeout is returned by waits whose time was up.
var ErrTimeout = errors.New("nothing came in time")

// PacketSocket sends and receives raw frames on one device (AF_PACKET). It sees what the device receives, whoever it is
// for, and what the host sends, but not its own frames. One goroutine may read while others send.
type PacketSocket struct {
	host    *Host
	dev     string
	file    *os.File
	raw     syscall.RawConn
	snaplen int
	buf     []byte
	oob     []byte
}

// snapAll holds the longest frame that there is: a superframe of a 64 KiB IP packet with its headers, with room.
const snapAll = 72 << 10

// OpenPacket opens a socket for raw frames on a device. Close it, or leave that to the lab.
func (h *Host) OpenPacket(dev string) (*PacketSocket, error) {
	s, err := h.openPacket(dev, snapAll)
	if err != nil {
		return nil, err
	}
	if err := h.lab.keep(s); err != nil {
		return nil, errors.Join(h.wrap(err), s.file.Close())
	}
	return s, nil
}

func (h *Host) openPacket(dev string, snaplen int) (*PacketSocket, error) {
	l, err := h.Link(dev)
	if err != nil {
		return nil, err
	}
	s := &PacketSocket{host: h, dev: dev, snaplen: snaplen, buf: make([]byte, snapAll), oob: make([]byte, 256)}
	err = h.Do(func() error {
		// Protocol 0 until bind, or frames of other devices would come in between.
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		s.file = os.NewFile(uintptr(fd), "packet:"+dev)
		for _, o := range []struct{ level, name, value int }{
			{unix.SOL_PACKET, unix.PACKET_AUXDATA, 1},
			{unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1},
			{unix.SOL_SOCKET, unix.SO_RCVBUF, 16 << 20},
		} {
			if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
				return os.NewSyscallError("setsockopt", err)
			}
		}
		// The forced size needs a capability of the first user namespace; without it the usual limit holds.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
		return os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{
			Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: l.Attrs().Index,
		}))
	})
	if err == nil {
		s.raw, err = s.file.SyscallConn()
	}
	if err != nil {
		if s.file != nil {
			err = errors.Join(err, s.file.Close())
		}
		return nil, h.wrapf(err, "packet socket on %q", dev)
	}
	return s, nil
}

// networkOrder returns v as the number whose bytes in memory are v's in network order.
func networkOrder(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

// Send puts a frame on the device as it is: no checksum is filled in. A VLAN tag stands in the bytes.
func (s *PacketSocket) Send(frame []byte) error {
	if _, err := s.file.Write(frame); err != nil { // apart, so that a success allocates nothing
		return s.host.wrapf(err, "send on %q", s.dev)
	}
	return nil
}

// WaitFor reads frames until one satisfies want, for at most timeout; others are thrown away. The error wraps
// [ErrTimeout] when the time is up.
func (s *PacketSocket) WaitFor(want func(Packet) bool, timeout time.Duration) (Packet, error) {
	if err := s.file.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return Packet{}, s.host.wrap(err)
	}
	others := 0
	for {
		p, err := s.read()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return Packet{}, s.host.wrap(fmt.Errorf("%w on %q within %v (%d other frames)", ErrTimeout, s.dev, timeout, others))
		}
		if err != nil {
			return Packet{}, s.host.wrapf(err, "receive on %q", s.dev)
		}
		if want(p) {
			return p, nil
		}
		others++
	}
}

// Drain throws away what has been received and not read yet and returns how much that was.
func (s *PacketSocket) Drain() (int, error) {
	n := 0
	for {
		_, err := s.readNow()
		if errors.Is(err, unix.EAGAIN) {
			return n, nil
		}
		if err != nil {
			return n, s.host.wrapf(err, "receive on %q", s.dev)
		}
		n++
	}
}

// Close closes the socket; a read in progress returns an error that wraps os.ErrClosed.
func (s *PacketSocket) Close() error {
	s.host.lab.forget(s)
	if err := s.file.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// read waits for a frame, until the file's deadline.
func (s *PacketSocket) read() (p Packet, err error) {
	poll := s.raw.Read(func(fd uintptr) bool {
		p, err = s.receive(int(fd))
		return !errors.Is(err, unix.EAGAIN)
	})
	if poll != nil {
		return Packet{}, poll
	}
	return p, err
}

// readNow returns a frame that is there, or EAGAIN.
func (s *PacketSocket) readNow() (p Packet, err error) {
	if ctl := s.raw.Control(func(fd uintptr) { p, err = s.receive(int(fd)) }); ctl != nil {
		return Packet{}, ctl
	}
	return p, err
}

func (s *PacketSocket) receive(fd int) (Packet, error) {
	for {
		n, oobn, _, from, err := unix.Recvmsg(fd, s.buf, s.oob, unix.MSG_TRUNC|unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.ENETDOWN) { // the latter once, when the device goes down
			continue
		}
		if err != nil {
			return Packet{}, err
		}
		p := Packet{Length: n}
		if sa, ok := from.(*unix.SockaddrLinklayer); ok {
			p.Outgoing = sa.Pkttype == unix.PACKET_OUTGOING
		}
		frame := s.buf[:min(n, len(s.buf))]
		if err := p.control(s.oob[:oobn], &frame); err != nil {
			return Packet{}, err
		}
		p.Data = slices.Clone(frame[:min(len(frame), s.snaplen)])
		return p, nil
	}
}

// control reads the control messages of one frame: time, checksum state, and the VLAN tag, which it puts back into frame.
func (p *Packet) control(oob []byte, frame *[]byte) error {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return os.NewSyscallError("recvmsg", err)
	}
	for _, m := range msgs {
		switch {
		case m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16:
			p.Time = time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
		case m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA && len(m.Data) >= 20:
			// struct tpacket_auxdata: u32 status, len, snaplen; u16 mac, net, vlan_tci, vlan_tpid
			status := binary.NativeEndian.Uint32(m.Data)
			p.Partial = status&unix.TP_STATUS_CSUMNOTREADY != 0
			if status&unix.TP_STATUS_VLAN_VALID == 0 || len(*frame) < 12 {
				continue
			}
			tpid := uint16(unix.ETH_P_8021Q)
			if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
				tpid = binary.NativeEndian.Uint16(m.Data[18:])
			}
			tag := binary.BigEndian.AppendUint16(nil, tpid)
			tag = binary.BigEndian.AppendUint16(tag, binary.NativeEndian.Uint16(m.Data[16:]))
			*frame = slices.Insert(slices.Clone(*frame), 12, tag...)
			p.Length += len(tag)
		}
	}
	return nil
}
