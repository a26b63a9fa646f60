package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
)

// What the test's binary does instead of testing, with the socket's path as the
// value.
const (
	peerTestEnv  = "UVTEP_TEST_PEER"  // ask as another user
	serveTestEnv = "UVTEP_TEST_SERVE" // serve as another user until stdin ends
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(peerTestEnv) != "":
		os.Exit(askAll(os.Getenv(peerTestEnv)))
	case os.Getenv(serveTestEnv) != "":
		if err := serveUntilEOF(os.Getenv(serveTestEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// The exit statuses of askAll.
const (
	mayWrite   = 0
	mayRead    = 10
	mayNothing = 11
	mayOther   = 12
)

// askAll reads what can be read and tries each kind of change. Of the changes
// either all must be refused, or none.
func askAll(path string) int {
	ctx := context.Background()
	c := client.New(path)
	_, version := c.Version(ctx)
	_, links := c.Links(ctx)
	_, entries := c.FDB(ctx, api.FDBFilter{})
	if errors.Is(version, api.ErrDenied) && errors.Is(links, api.ErrDenied) && errors.Is(entries, api.ErrDenied) {
		return mayNothing
	}
	e := api.FDBEntry{Dev: "vx1", MAC: "02:00:00:00:00:01"}
	_, flush := c.FlushFDB(ctx, api.FDBFilter{Dev: "vx1"})
	changes := []error{
		c.AddLink(ctx, api.LinkChange{LinkSpec: api.LinkSpec{Name: "vx1", ID: new(uint32(1))}}),
		c.ChangeLink(ctx, "vx1", api.LinkChange{Up: new(true)}), c.ChangeFDB(ctx, "add", e), c.ChangeFDB(ctx, "append", e),
		c.ChangeFDB(ctx, "replace", e), c.ChangeFDB(ctx, "del", e), flush, c.DeleteLink(ctx, "vx1"),
	}
	if errors.Is(flush, api.ErrDenied) {
		changes = slices.DeleteFunc(changes, func(err error) bool { return errors.Is(err, api.ErrDenied) })
		if len(changes) == 0 && errors.Join(version, links, entries) == nil {
			return mayRead
		}
	}
	for _, err := range changes {
		if errors.Is(err, api.ErrDenied) {
			fmt.Println("some changes were denied")
			return mayOther
		}
	}
	if err := errors.Join(version, links, entries); err != nil {
		fmt.Println(err)
		return mayOther
	}
	return mayWrite
}

func serveUntilEOF(path string) error {
	s, err := Listen(ServerConfig{Path: path, Backend: &fakeBackend{}, Netdevs: noNetdevs{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	fmt.Println("serving")
	return s.Serve(ctx)
}

const nobody, stranger, group = 65534, 65533, 4242

// TestPeer connects as other users. The file's mode is widened, so that what
// refuses is the check of the peer.
func TestPeer(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to become another user")
	}
	dir := t.TempDir()
	exe := copyOf(t, filepath.Join(dir, "test"))
	path := filepath.Join(dir, "uvtep.sock")
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil { // the other users' way to the socket
			t.Fatal(err)
		}
	}
	s, err := Listen(ServerConfig{Path: path, Backend: &fakeBackend{}, Netdevs: noNetdevs{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 0, group); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for _, test := range []struct {
		what string
		mode os.FileMode
		cred syscall.Credential
		want int
	}{
		{"root", 0o660, syscall.Credential{}, mayWrite},
		{"the socket's group", 0o660, syscall.Credential{Uid: nobody, Gid: group}, mayWrite},
		{"a supplementary group", 0o660, syscall.Credential{Uid: nobody, Gid: nobody, Groups: []uint32{7, group}}, mayWrite},
		{"a stranger, by the file's mode", 0o660, syscall.Credential{Uid: nobody, Gid: nobody}, mayNothing},
		{"a stranger, by the peer's credentials", 0o666, syscall.Credential{Uid: nobody, Gid: nobody}, mayRead},
		{"a stranger with many groups", 0o666, syscall.Credential{Uid: nobody, Gid: nobody, Groups: manyGroups()}, mayRead},
	} {
		t.Run(test.what, func(t *testing.T) { askAs(t, exe, path, test.mode, test.cred, test.want) })
	}
	t.Run("another file's group", func(t *testing.T) {
		real := filepath.Join(dir, "real")
		if err := errors.Join(os.Rename(path, real), os.WriteFile(path, nil, 0o666), os.Chown(path, 0, stranger)); err != nil {
			t.Fatal(err)
		}
		askAs(t, exe, real, 0o666, syscall.Credential{Uid: stranger, Gid: stranger}, mayRead)
		askAs(t, exe, real, 0o666, syscall.Credential{Uid: nobody, Gid: group}, mayRead)
		askAs(t, exe, real, 0o666, syscall.Credential{}, mayWrite)
		if err := os.Rename(real, path); err != nil {
			t.Fatal(err)
		}
	})
}

// manyGroups are more than the server asks for at first.
func manyGroups() []uint32 {
	groups := make([]uint32, 100)
	for i := range groups {
		groups[i] = uint32(10_000 + i)
	}
	return groups
}

// askAs runs askAll as another user.
func askAs(t *testing.T, exe, path string, mode os.FileMode, cred syscall.Credential, want int) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), peerTestEnv+"="+path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &cred}
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != want {
		t.Errorf("exit status %d, want %d: %v %s", got, want, err, out)
	}
}

// TestPeerOfUser: a daemon that is not root's is its own user's to change, and
// root's.
func TestPeerOfUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to become another user")
	}
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	exe := copyOf(t, filepath.Join(dir, "test"))
	own := filepath.Join(dir, "run")
	if err := errors.Join(os.Mkdir(own, 0o755), os.Chown(own, nobody, group)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(own, "uvtep.sock")
	daemon := exec.Command(exe)
	daemon.Env = append(os.Environ(), serveTestEnv+"="+path)
	daemon.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: group}}
	in, err := daemon.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(in.Close(), daemon.Wait()); err != nil {
			t.Error(err)
		}
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "serving\n" {
		t.Fatal(line, err)
	}
	for what, test := range map[string]struct {
		cred syscall.Credential
		want int
	}{
		"root":     {syscall.Credential{}, mayWrite},
		"the user": {syscall.Credential{Uid: nobody, Gid: nobody}, mayWrite},
		"group":    {syscall.Credential{Uid: stranger, Gid: group}, mayWrite},
		"stranger": {syscall.Credential{Uid: stranger, Gid: nobody}, mayRead},
	} {
		t.Run(what, func(t *testing.T) { askAs(t, exe, path, 0o666, test.cred, test.want) })
	}
}

// copyOf copies the test's binary to where everybody may run it.
func copyOf(t *testing.T, to string) string {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return to
}
