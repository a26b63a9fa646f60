package client

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uvtep/uvtep/api"
)

// hurried is a client that waits for a tenth of the usual time.
func hurried(path string) *Client {
	c := New(path)
	usual := usualPatience()
	c.patience = patience{quiet: usual.quiet / 10, alive: usual.alive / 10, whole: usual.whole / 10}
	return c
}

// serveHTTP answers with h on a socket.
func serveHTTP(t *testing.T, h http.Handler) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "uvtep.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		t.Log(<-done)
	})
	return path
}

func wantNotAnswering(t *testing.T, ask func() error) {
	t.Helper()
	begin := time.Now()
	err := ask()
	if took := time.Since(begin); !errors.Is(err, ErrNotAnswering) || took < 400*time.Millisecond || took > 3*time.Second {
		t.Errorf("after %v: %v, want ErrNotAnswering after 0.5 s", took, err)
	}
	if want := fmt.Sprintf("kill -CONT %d ", os.Getpid()); err != nil && !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "kill -CONT PID ") {
		t.Errorf("%v: does not say %q", err, want)
	}
}

// TestNobodyAnswers: a daemon that accepts nothing, also one with a queue that is
// full, is waited for so long and no longer.
func TestNobodyAnswers(t *testing.T) {
	for what, wait := range map[string]int{"queued": 0, "full": 1} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "uvtep.sock")
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = syscall.Close(fd) })
			if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0)); err != nil {
				t.Fatal(err)
			}
			for range wait { // the queue has room for one
				conn, err := net.Dial("unix", path)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
			}
			c := hurried(path)
			defer c.Close()
			wantNotAnswering(t, func() error { _, err := c.Links(t.Context()); return err })
			wantNotAnswering(t, func() error { return c.AddLink(t.Context(), api.LinkChange{}) })
			wantNotAnswering(t, func() error { _, err := c.Monitor(t.Context()); return err })
		})
	}
}

// TestAnswerStops: so is one that stops within an answer.
func TestAnswerStops(t *testing.T) {
	hung := make(chan struct{})
	path := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/links" {
			_, _ = io.WriteString(w, `[{"spec":`)
			_ = http.NewResponseController(w).Flush()
		}
		<-hung
	}))
	t.Cleanup(func() { close(hung) })
	c := hurried(path)
	defer c.Close()
	wantNotAnswering(t, func() error { _, err := c.Links(t.Context()); return err })
}

// TestSlowAnswer: what takes long, its head or its body, is waited for as long as
// the daemon answers others; and a stream may be silent.
func TestSlowAnswer(t *testing.T) {
	const long = 1200 * time.Millisecond // more than twice what is waited for a daemon that hangs
	path := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := http.NewResponseController(w)
		switch r.URL.Path {
		case "/v1/version":
			_, _ = io.WriteString(w, `{"version":"x"}`)
		case "/v1/links":
			time.Sleep(long)
			_, _ = io.WriteString(w, "[")
			_ = out.Flush()
			time.Sleep(long)
			_, _ = io.WriteString(w, "]")
		case "/v1/monitor":
			w.WriteHeader(http.StatusOK)
			_ = out.Flush()
			time.Sleep(long)
			_, _ = io.WriteString(w, `{"event":"new"}`)
		}
	}))
	c := hurried(path)
	defer c.Close()
	if _, err := c.Links(t.Context()); err != nil {
		t.Error(err)
	}
	m, err := c.Monitor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if e, err := m.Next(); err != nil || e.Event != api.EventNew {
		t.Errorf("%+v, %v", e, err)
	}
	// Nor is it waited for for ever.
	c.patience.whole = long / 2
	begin := time.Now()
	if _, err := c.Links(t.Context()); !errors.Is(err, ErrNotAnswering) || time.Since(begin) > long {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
}
