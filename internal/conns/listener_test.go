package conns

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// served is a server of at most so many connections.
func served(t *testing.T, most int, h http.Handler) (l *Listener, dial func() net.Conn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "socket")
	plain, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l = Limit(plain, most)
	s := &http.Server{Handler: h, ConnState: l.State, ConnContext: Context}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		t.Log(<-done)
	})
	return l, func() net.Conn {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
}

const get = "GET / HTTP/1.1\r\nHost: u\r\n\r\n"

// asks sends a request and reads the answer within a time.
func asks(c net.Conn, within time.Duration) error {
	if err := c.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, get); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// TestWhoGoes: the connection of a client that lets the server wait goes for one
// that waits for the server, an idle one before one that is under way.
func TestWhoGoes(t *testing.T) {
	const most = 5
	answer := strings.Repeat("x", 8<<20)
	_, dial := served(t, most, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			done := ReadsBody(r.Context())
			_, _ = io.Copy(io.Discard, r.Body)
			done()
		}
		if r.URL.Path == "/large" {
			_, _ = io.WriteString(w, answer)
		}
	}))
	for what, first := range map[string]string{
		"nothing asked":     "",
		"header":            "GET / HTTP/1.1\r\nHost",
		"body":              "POST / HTTP/1.1\r\nHost: u\r\nContent-Length: 100\r\n\r\nx",
		"answer not read":   "GET /large HTTP/1.1\r\nHost: u\r\n\r\n",
		"answered and kept": get,
	} {
		t.Run(what, func(t *testing.T) {
			for range 3 * most {
				if _, err := io.WriteString(dial(), first); err != nil {
					t.Fatal(err)
				}
			}
			c := dial()
			// 3*most of them had their grace before it.
			if err := asks(c, 5*time.Second); err != nil {
				t.Fatal(err)
			}
			// It is idle now; the older ones go before it where they are.
			if err := asks(c, time.Second); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestBusyStays: a request that is worked on is not cut off.
func TestBusyStays(t *testing.T) {
	work := make(chan struct{})
	_, dial := served(t, 2, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-work }))
	answers := make(chan error, 3)
	for range 3 {
		c := dial()
		go func() { answers <- asks(c, 10*time.Second) }()
	}
	select {
	case err := <-answers:
		t.Errorf("answered, or cut off: %v", err)
	case <-time.After(5 * graceTime):
	}
	close(work)
	for range 3 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}

// TestTurns: who sends one request after the other, without end, keeps nobody out.
func TestTurns(t *testing.T) {
	const most = 3
	_, dial := served(t, most, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Millisecond) }))
	for range 3 * most {
		c := dial()
		if _, err := io.WriteString(c, strings.Repeat(get, 1000)); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.Copy(io.Discard, c) }()
	}
	if err := asks(dial(), time.Second); err != nil {
		t.Error(err)
	}
}

// TestCloseWaitsForNobody: a listener that is closed accepts nobody any more, also
// where it has no room.
func TestCloseWaitsForNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	plain, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l := Limit(plain, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 2 {
		c, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	first.(*Conn).enter(busy)
	ended := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		ended <- err
	}()
	time.Sleep(2 * lookEvery)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("it accepted one more")
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if l.spare != nil || len(l.open) > 0 {
		t.Errorf("left: %v, %d connections", l.spare, len(l.open))
	}
}
