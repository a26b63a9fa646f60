package handover

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// barrierTimeout is how long systemd may take to read what it was sent.
const barrierTimeout = 5 * time.Second

// FromSystemd are the descriptors that systemd kept for this process since the one before, by their names
// (sd_listen_fds(3)); nil: none.
func FromSystemd() map[string][]*os.File {
	var all map[string][]*os.File
	for _, f := range activation.Files(true) {
		if all == nil {
			all = make(map[string][]*os.File)
		}
		all[f.Name()] = append(all[f.Name()], f)
	}
	return all
}

// Stores reports whether systemd keeps descriptors for this process: it says so from version 254 on. Of one before, a
// unit may say so (UVTEP_FDSTORE=1 in its environment).
func Stores() bool {
	return os.Getenv("NOTIFY_SOCKET") != "" && (os.Getenv("FDSTORE") != "" || os.Getenv("UVTEP_FDSTORE") == "1")
}

// Store has systemd keep the descriptors until the service starts again (FDSTORE=1 in sd_notify(3)), and waits until it
// has them. It does not watch them (FDPOLL=0): an ICMP error at a socket, or a TAP that is down, would have it drop them.
func Store(files map[string][]*os.File) error {
	addr := &net.UnixAddr{Name: os.Getenv("NOTIFY_SOCKET"), Net: "unixgram"}
	c, err := net.DialUnix("unixgram", nil, addr)
	if err != nil {
		return fmt.Errorf("systemd's socket: %w", err)
	}
	defer c.Close()
	for n, some := range files {
		for chunk := range slices.Chunk(some, partLen) {
			if err := notify(c, "FDSTORE=1\nFDPOLL=0\nFDNAME="+n+"\n", chunk...); err != nil {
				return fmt.Errorf("systemd does not take %s: %w", n, err)
			}
		}
	}
	return barrier(c)
}

// barrier waits until systemd has read what was sent before (BARRIER=1 in sd_notify(3)): it closes the pipe then. A
// process that ends before may be unknown to it by the time that it reads.
func barrier(c *net.UnixConn) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	if err := errors.Join(notify(c, "BARRIER=1\n", w), w.Close()); err != nil {
		return err
	}
	if err := r.SetReadDeadline(time.Now().Add(barrierTimeout)); err != nil {
		return err
	}
	if _, err := r.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("systemd has not read what it was sent within %v", barrierTimeout)
	}
	return nil // the pipe's end
}

func notify(c *net.UnixConn, text string, files ...*os.File) error {
	fds := make([]int, 0, len(files))
	for _, f := range files {
		fd, err := number(f)
		if err != nil {
			return err
		}
		fds = append(fds, fd)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	cerr := raw.Write(func(fd uintptr) bool { // WriteMsgUnix refuses a connected socket
		err = unix.Sendmsg(int(fd), []byte(text), unix.UnixRights(fds...), nil, 0)
		return !errors.Is(err, unix.EAGAIN)
	})
	return errors.Join(cerr, os.NewSyscallError("sendmsg", err))
}
