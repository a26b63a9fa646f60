package tap

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrInherited says that the descriptors of Config.Inherited are not the queues of the TAP that Config describes.
var ErrInherited = errors.New("the open queues are not those of such a TAP")

// Stop has every ReadBatch return os.ErrClosed, now and from now on. What the kernel has queued stays queued, and
// frames can still be written: Close has to follow.
func (d *Device) Stop() error {
	for _, q := range d.queues {
		q.stopped.Store(true)
		// A reader that waits is woken; one that does not finds the deadline at its next read.
		if err := q.file.SetReadDeadline(time.Unix(1, 0)); err != nil && !errors.Is(err, os.ErrClosed) {
			return fmt.Errorf("tap: stop: %w", err)
		}
	}
	return nil
}

// Descriptors are new descriptors of the queues, for [Config].Inherited of a Device that comes after this one. While
// one of them is open the netdev stays, and its queues hold the frames for the next reader.
func (d *Device) Descriptors() (files []*os.File, err error) {
	for _, q := range d.queues {
		err = q.control(func(fd int) error {
			dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
			if err == nil {
				files = append(files, os.NewFile(uintptr(dup), "tap queue"))
			}
			return os.NewSyscallError("fcntl", err)
		})
		if err != nil {
			for _, f := range files {
				err = errors.Join(err, f.Close())
			}
			return nil, fmt.Errorf("tap: descriptors: %w", err)
		}
	}
	return files, nil
}

// inherit makes the queues of c.Inherited those of d. The netdev may have another name than c.Name by now.
func (d *Device) inherit(c Config) error {
	if len(c.Inherited) != c.Queues {
		return fmt.Errorf("%w: there are %d, %d are wanted", ErrInherited, len(c.Inherited), c.Queues)
	}
	netdev := ""
	for i, f := range c.Inherited {
		fd, name, err := inheritedQueue(f)
		if err != nil {
			return err
		}
		if i > 0 && name != netdev {
			return errors.Join(fmt.Errorf("%w: %q and %q", ErrInherited, netdev, name), unix.Close(fd))
		}
		netdev = name
		q, err := newQueue(fd, c, &d.super)
		if err != nil {
			return err
		}
		d.queues = append(d.queues, q)
	}
	err := d.queues[0].control(func(fd int) error { return d.setUp(fd, c, prepared{}) })
	if err != nil {
		return err
	}
	if m, _, _, err := d.message(0); err == nil {
		d.dropped = txDropped(m)
	}
	return d.steer()
}

// inheritedQueue is a descriptor of the queue that f is, and its netdev's name. f may be any file.
func inheritedQueue(f *os.File) (fd int, name string, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, "", err
	}
	fd = -1
	cerr := raw.Control(func(is uintptr) {
		var flags uint16
		if name, flags, err = attached(int(is)); err != nil {
			err = fmt.Errorf("%w: %w", ErrInherited, err)
			return
		}
		if want := uint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR); flags&want != want {
			err = fmt.Errorf("%w: %s has the flags %#x", ErrInherited, name, flags)
			return
		}
		if fd, err = unix.FcntlInt(is, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			err = unix.SetNonblock(fd, true)
		}
	})
	if err = errors.Join(err, cerr); err != nil && fd >= 0 {
		err, fd = errors.Join(err, unix.Close(fd)), -1
	}
	return fd, name, err
}

// closeInherited closes what was inherited, or was to be.
func (c *Config) closeInherited() error {
	var err error
	for _, f := range c.Inherited {
		err = errors.Join(err, f.Close())
	}
	return err
}
