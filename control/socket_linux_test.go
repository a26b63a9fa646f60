package control

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

const peerTestEnv = "UVTEP_TEST_PEER"

// TestMain is also the other user's process of TestPeer.
func TestMain(m *testing.M) {
	path := os.Getenv(peerTestEnv)
	if path == "" {
		os.Exit(m.Run())
	}
	c := NewClient(path)
	_, err := c.Links(context.Background())
	switch err := errors.Join(err, c.DeleteLink(context.Background(), "vx1")); {
	case err == nil:
		os.Exit(0)
	case errors.Is(err, ErrDenied):
		os.Exit(10)
	}
	os.Exit(11)
}

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
	const nobody, group = 65534, 4242
	s, err := Listen(ServerConfig{Path: path, Backend: &fakeBackend{}, Netdev: noNetdev, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 0, group); err != nil {
		t.Fatal(err)
	}
	if s.peers, err = newPeerPolicy(path); err != nil {
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
		add  bool // the link is there to be deleted
		want int
	}{
		{"root", 0o660, syscall.Credential{}, true, 0},
		{"the socket's group", 0o660, syscall.Credential{Uid: nobody, Gid: group}, true, 0},
		{"a supplementary group", 0o660, syscall.Credential{Uid: nobody, Gid: nobody, Groups: []uint32{7, group}}, true, 0},
		{"a stranger, by the file's mode", 0o660, syscall.Credential{Uid: nobody, Gid: nobody}, false, 10},
		{"a stranger, by the peer's credentials", 0o666, syscall.Credential{Uid: nobody, Gid: nobody}, false, 10},
	} {
		t.Run(test.what, func(t *testing.T) {
			if test.add {
				if err := NewClient(path).AddLink(ctx, LinkChange{LinkSpec: LinkSpec{Name: "vx1", ID: new(uint32(1))}}); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(path, test.mode); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(exe)
			cmd.Env = append(os.Environ(), peerTestEnv+"="+path)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &test.cred}
			out, err := cmd.CombinedOutput()
			if got := cmd.ProcessState.ExitCode(); got != test.want {
				t.Errorf("exit status %d, want %d: %v %s", got, test.want, err, out)
			}
		})
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
