package control

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lockTimeout is how long another daemon may hold the lock, which takes it as
// long as it takes to bind a socket.
const lockTimeout = time.Second

// lockSocket takes the lock of a socket's path and returns its release, so that two
// daemons that start at once do not replace each other's socket. The lock is
// that of a file which nobody but this user can open: a directory's, or the
// socket's, could be taken by whoever may look at it (flock(2) asks for no
// permission but to open).
func lockSocket(path string) (unlock func(), err error) {
	name := path + ".lock"
	for end := time.Now().Add(lockTimeout); ; time.Sleep(lockTimeout / 100) {
		f, err := openLock(name)
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil && sameFile(f, name):
			return func() {
				_ = os.Remove(name) // while it is locked: who waits for it looks again
				_ = f.Close()       // which gives the lock up
			}, nil
		case err == nil: // the one that had it before removed it
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return nil, errors.Join(os.NewSyscallError("flock "+name, err), f.Close())
		case time.Now().After(end):
			return nil, errors.Join(fmt.Errorf("%s is locked by %s: end that, or give another path with --control", name, holder(f)), f.Close())
		}
		_ = f.Close()
	}
}

// openLock opens a lock's file, which is this user's own.
func openLock(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || !info.Mode().IsRegular():
		err = fmt.Errorf("%s is no regular file: remove it, or give another path with --control", name)
	case st.Uid != uint32(os.Geteuid()):
		err = fmt.Errorf("%s belongs to user %d: remove it, or give a socket in a directory that only this user writes to with --control", name, st.Uid)
	default:
		return f, nil
	}
	return nil, errors.Join(err, f.Close())
}

// sameFile reports whether name still leads to f.
func sameFile(f *os.File, name string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(name)
	return err == nil && os.SameFile(a, b)
}

// holder says who has f locked, as far as proc_locks(5) tells.
func holder(f *os.File) string {
	const unknown = "another process"
	var st unix.Stat_t
	all, err := os.ReadFile("/proc/locks")
	if err != nil || unix.Fstat(int(f.Fd()), &st) != nil {
		return unknown
	}
	dev := uint64(st.Dev) //nolint:unconvert // of 32 bits on some processors
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(dev), unix.Minor(dev), st.Ino)
	for line := range strings.Lines(string(all)) {
		// number, kind, mode, access, process, file, start and end
		w := strings.Fields(line)
		if len(w) != 8 || w[1] != "FLOCK" || w[5] != file {
			continue
		}
		if pid, err := strconv.Atoi(w[4]); err == nil && pid > 0 {
			return fmt.Sprintf("process %d (%s)", pid, command(pid))
		}
	}
	return unknown
}

// command is a process' name.
func command(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return "?"
	}
	return string(bytes.TrimSpace(b))
}
