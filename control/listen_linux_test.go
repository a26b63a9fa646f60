package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/client"
)

// listenAt is Listen with a bound on the time that it may take.
func listenAt(t *testing.T, path string) (*Server, error) {
	t.Helper()
	type result struct {
		s   *Server
		err error
	}
	done := make(chan result, 1)
	go func() {
		s, err := Listen(ServerConfig{Path: path, Backend: &fakeBackend{}, Netdevs: noNetdevs{}, Log: slog.New(slog.DiscardHandler)})
		done <- result{s, err}
	}()
	select {
	case r := <-done:
		return r.s, r.err
	case <-time.After(5 * time.Second):
		t.Fatal("Listen does not return")
		return nil, nil
	}
}

func lockFile(t *testing.T, path string, flags int) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestDirectoryLocked: everybody may open the socket's directory and lock it,
// which keeps no daemon from starting.
func TestDirectoryLocked(t *testing.T) {
	dir := t.TempDir()
	lockFile(t, dir, os.O_RDONLY)
	begin := time.Now()
	s, err := listenAt(t, filepath.Join(dir, "uvtep.sock"))
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("it took %v", took)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestLockHeld: where somebody does hold the lock, whoever starts is told who.
func TestLockHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "uvtep.sock")
	held := lockFile(t, path+".lock", os.O_CREATE|os.O_RDWR)
	begin := time.Now()
	_, err := listenAt(t, path)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d (", os.Getpid())) || !strings.Contains(err.Error(), "--control") {
		t.Errorf("error %v, want one that names process %d", err, os.Getpid())
	}
	if took := time.Since(begin); took > 1500*time.Millisecond {
		t.Errorf("it took %v, want a second", took)
	}
	// The next one waits for a lock that is given up in time.
	time.AfterFunc(100*time.Millisecond, func() { held.Close() })
	s, err := listenAt(t, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestLockIsPrivate: nobody else can open what is locked, and another user's file
// is not taken for it.
func TestLockIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "uvtep.sock")
	unlock, err := lockSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(path + ".lock"); err != nil || info.Mode() != 0o600 {
		t.Errorf("the lock's file is %v, %v", info.Mode(), err)
	}
	unlock()
	if _, err := os.Lstat(path + ".lock"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock's file is left behind: %v", err)
	}
	if os.Getuid() != 0 {
		t.Skip("needs root to give a file to another user")
	}
	if err := errors.Join(os.WriteFile(path+".lock", nil, 0o666), os.Chown(path+".lock", nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	if _, err := listenAt(t, path); err == nil || !strings.Contains(err.Error(), "user 65534") {
		t.Errorf("another user's file: %v", err)
	}
	if err := errors.Join(os.Remove(path+".lock"), os.Symlink("/dev/null", path+".lock")); err != nil {
		t.Fatal(err)
	}
	if _, err := listenAt(t, path); err == nil {
		t.Error("a symbolic link is followed")
	}
}

// TestEndLeavesOthersSocket: a daemon whose socket was moved away, and another one
// made in its place, removes nothing but its own.
func TestEndLeavesOthersSocket(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "uvtep.sock")
	first, err := listenAt(t, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	second, err := listenAt(t, path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- second.Serve(ctx) }()
	gone, end := context.WithCancel(t.Context())
	end()
	if err := first.Serve(gone); err != nil {
		t.Error(err)
	}
	c := client.New(path)
	defer c.Close()
	if _, err := c.Links(t.Context()); err != nil {
		t.Errorf("after the end of the first daemon: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
