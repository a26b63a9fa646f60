package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

const socketMode fs.FileMode = 0o660

// maxPath is what sun_path holds beside its final zero (unix(7)).
const maxPath = 107

// answerTimeout is how long a daemon has to accept before it counts as hung,
// which is still not gone.
const answerTimeout = 2 * time.Second

// ownSocket is a listener that knows its file, and removes no other one that may
// be at its path by the time that it is closed.
type ownSocket struct {
	net.Listener
	path string
	file fs.FileInfo
	kept atomic.Bool // the file is another daemon's from now on
}

// stat is the state of the socket's file; false: it is gone, or another one.
func (s *ownSocket) stat() (fs.FileInfo, bool) {
	info, err := os.Lstat(s.path)
	return info, err == nil && os.SameFile(info, s.file)
}

// Close removes the socket's file, if it is there, and closes the socket.
func (s *ownSocket) Close() error {
	if s.kept.Load() {
		return s.Listener.Close()
	}
	if unlock, err := lockSocket(s.path); err == nil { // else without: nobody is waited for for long
		defer unlock()
	}
	var err error
	if _, ours := s.stat(); ours {
		err = os.Remove(s.path)
	}
	return errors.Join(err, s.Listener.Close())
}

// listen binds the socket's path. A lock keeps two daemons that start at once
// from replacing each other's socket.
func listen(path string) (*ownSocket, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("the socket's path has %d bytes: give one of at most %d with --control: %s", len(path), maxPath, path)
	}
	l, err := bind(path)
	if _, system := errors.AsType[syscall.Errno](err); system {
		return nil, fmt.Errorf("%w: give a path that this user may make a socket at with --control, or make room there", err)
	}
	return l, err
}

// listenOr is listen, or takes over the socket of the daemon before, where there is one.
func listenOr(path string, before *os.File) (*ownSocket, error) {
	if before == nil {
		return listen(path)
	}
	defer before.Close()
	l, err := net.FileListener(before)
	if err != nil {
		return nil, err
	}
	file, err := os.Lstat(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the socket that was handed over: %w", err), l.Close())
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	s := &ownSocket{Listener: l, path: path, file: file}
	s.kept.Store(true)
	return s, nil
}

// Own has the server remove the file of a socket that it was handed when it ends: from now on it is its own.
func (s *Server) Own() { s.listener.kept.Store(false) }

// Leave has the server leave its socket to another daemon when it ends, and returns the socket.
func (s *Server) Leave() (*os.File, error) {
	u, ok := s.listener.Listener.(*net.UnixListener)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	f, err := u.File()
	s.listener.kept.Store(err == nil)
	return f, err
}

// bind is listen for a path that can be one.
func bind(path string) (*ownSocket, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	unlock, err := lockSocket(path)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := clearStale(path); err != nil {
		return nil, err
	}
	c := net.ListenConfig{Control: restrictSocket}
	l, err := c.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	// The umask may have taken bits away.
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	file, err := os.Lstat(path)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // whatever is there then
	}
	return &ownSocket{Listener: l, path: path, file: file}, nil
}

// clearStale removes a socket on which nobody answers.
func clearStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s exists and is no socket: give another path with --control", path)
	}
	conn, err := net.DialTimeout("unix", path, answerTimeout)
	if err == nil {
		_ = conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) { // answered, hung or not ours to try
		return fmt.Errorf("%w on %s: stop it, or give another path with --control", ErrRunning, path)
	}
	return os.Remove(path)
}
