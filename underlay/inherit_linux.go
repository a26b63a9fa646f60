package underlay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrInherited says that the sockets of ReceiverConfig.Inherited are not those of the receiver that it describes.
var ErrInherited = errors.New("the open sockets are not those of such a receiver")

// Stop has every ReadBatch return net.ErrClosed, now and from now on. What has arrived stays queued, and more is queued:
// Close throws it away, unless a descriptor of [Receiver.Descriptors] is open.
func (r *Receiver) Stop() error {
	r.leave = nil // the socket stays a member of its group
	var errs []error
	r.each(func(rd *reader) {
		rd.closed.Store(true)
		rd.stopped.Store(true)
		if err := rd.conn.SetReadDeadline(time.Unix(1, 0)); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	})
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("underlay: stop: %w", err)
	}
	return nil
}

// Descriptors are new descriptors of the sockets, for [ReceiverConfig].Inherited of a Receiver that comes after this
// one. The socket of OpenAside is not among them: what waits there is lost, and is a storm's.
func (r *Receiver) Descriptors() ([]*os.File, error) {
	var files []*os.File
	for _, rd := range r.readers {
		f, err := rd.conn.File()
		if err != nil {
			for _, f := range files {
				err = errors.Join(err, f.Close())
			}
			return nil, fmt.Errorf("underlay: descriptors: %w", err)
		}
		files = append(files, f)
	}
	return files, nil
}

// inherit makes the sockets of cfg.Inherited those of r, and closes what it was given. Their filter stays what it was
// until Arm.
func (r *Receiver) inherit(cfg *ReceiverConfig, ifindex int) (err error) {
	defer func() {
		for _, f := range cfg.Inherited {
			err = errors.Join(err, f.Close())
		}
		cfg.Inherited, r.cfg.Inherited = nil, nil
	}()
	for _, f := range cfg.Inherited {
		rd, err := r.inheritSocket(f, cfg, ifindex)
		if err != nil {
			return err
		}
		r.readers = append(r.readers, rd)
	}
	if cfg.Group.IsValid() && len(r.readers) > 1 {
		return fmt.Errorf("%w: a group has one socket", ErrInherited)
	}
	r.inherited = true
	return nil
}

func (r *Receiver) inheritSocket(f *os.File, cfg *ReceiverConfig, ifindex int) (*reader, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	cerr := raw.Control(func(fd uintptr) {
		if err = checkInherited(int(fd), cfg, r.port, ifindex); err != nil {
			return
		}
		if err = receiveOptions(int(fd), cfg); err == nil && cfg.V6 && !cfg.ZeroChecksum6 {
			err = setOptions(int(fd), option{unix.IPPROTO_UDP, unix.UDP_NO_CHECK6_RX, 0, "UDP_NO_CHECK6_RX"})
		}
		r.gro = receiveOffload(int(fd), cfg)
	})
	if err = errors.Join(err, cerr); err != nil {
		return nil, err
	}
	c, err := net.FilePacketConn(f)
	if err != nil {
		return nil, err
	}
	conn, ok := c.(*net.UDPConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%w: one is a %T", ErrInherited, c), c.Close())
	}
	rd, err := newReader(conn, cfg)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	rd.before = rd.dropped()
	return rd, nil
}

// checkInherited refuses a descriptor that is no socket with the address, port and device of cfg. UDP_GRO of a live
// socket is never switched off: what was joined before would be read without its size, as one datagram.
func checkInherited(fd int, cfg *ReceiverConfig, port uint16, ifindex int) error {
	protocol, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil || protocol != unix.IPPROTO_UDP {
		return fmt.Errorf("%w: one is no UDP socket", ErrInherited)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	var is netip.AddrPort
	zone := 0
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		is = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		is, zone = netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)), int(a.ZoneId)
	}
	if want := netip.AddrPortFrom(cfg.bindAddr().WithZone(""), port); is != want || zone != 0 && zone != ifindex {
		return fmt.Errorf("%w: one is bound to %v, not to %v", ErrInherited, is, want)
	}
	if err := checkDevice(fd, cfg.Device, zone); err != nil {
		return err
	}
	if gro, err := unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO); err == nil && gro != 0 && cfg.NoGRO {
		return fmt.Errorf("%w: they have UDP_GRO, which is to be off", ErrInherited)
	}
	return nil
}

// checkDevice refuses a socket that is bound to another device than the one given, or, where its address is link-local,
// than its zone: bind to such an address binds to the device, too (__inet6_bind in net/ipv6/af_inet6.c).
func checkDevice(fd int, device string, zone int) error {
	if zone != 0 {
		is, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX)
		if err != nil || is != zone {
			return fmt.Errorf("%w: one is bound to interface %d, not to %d", ErrInherited, is, zone)
		}
		return nil
	}
	is, err := unix.GetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
	if err != nil || is != device {
		return fmt.Errorf("%w: one is bound to device %q, not to %q", ErrInherited, is, device)
	}
	return nil
}

// Arm gives inherited sockets the receiver's filter, once it knows all links and peers. Until then they have that of the
// process before, so that nothing is dropped meanwhile that is a link's.
func (r *Receiver) Arm() error {
	if !r.inherited {
		return nil
	}
	var err error
	r.each(func(rd *reader) {
		cerr := rd.raw.Control(func(fd uintptr) {
			if r.cfg.Filter == nil {
				if derr := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); derr != nil && !errors.Is(derr, unix.ENOENT) {
					err = errors.Join(err, os.NewSyscallError("SO_DETACH_FILTER", derr))
				}
				return
			}
			err = errors.Join(err, r.cfg.Filter.attach(int(fd)))
		})
		err = errors.Join(err, cerr)
	})
	if err != nil {
		return fmt.Errorf("underlay: arm: %w", err)
	}
	return nil
}
