package control

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/internal/fault"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
)

// TestLimits: who sends too much, or nothing, is answered or cut off in time,
// and others are served meanwhile.
func TestLimits(t *testing.T) {
	_, c, path, _ := watched(t)
	for what, test := range map[string]struct {
		send   string
		status int // 0: cut off without a word
		within time.Duration
	}{
		"a header without end":      {"GET /v1/links HTTP/1.1\r\nHost: u", 0, headerTimeout},
		"a body that does not come": {"POST /v1/links HTTP/1.1\r\nHost: u\r\nContent-Length: 100\r\n\r\n{", http.StatusBadRequest, readTimeout},
		"a long header":             {"GET /v1/links HTTP/1.1\r\nHost: u\r\nX: " + strings.Repeat("x", 2*maxHeader) + "\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge, 0},
		"a long body":               {"POST /v1/links HTTP/1.1\r\nHost: u\r\nContent-Length: 2000000\r\n\r\n{\"name\":\"" + strings.Repeat("x", 1_999_000), http.StatusRequestEntityTooLarge, 0},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			begin := time.Now()
			if err := conn.SetDeadline(begin.Add(test.within + 5*time.Second)); err != nil {
				t.Fatal(err)
			}
			_, werr := io.WriteString(conn, test.send) // the server may have closed meanwhile
			if _, err := c.Links(t.Context()); err != nil {
				t.Errorf("another client: %v", err)
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			got := 0
			if err == nil {
				got = res.StatusCode
				_ = res.Body.Close()
			}
			if took := time.Since(begin); got != test.status || took < test.within-time.Second {
				t.Errorf("status %d after %v, %v (sending: %v), want %d after %v", got, took, err, werr, test.status, test.within)
			}
			if _, err := fmt.Fprint(conn, "x"); err == nil {
				if _, err := io.ReadAll(conn); err != nil && strings.Contains(err.Error(), "timeout") {
					t.Error("the connection is kept")
				}
			}
		})
	}
}

// TestTooManyConnections: the daemon holds so many and no more; for one that waits
// an idle one goes.
func TestTooManyConnections(t *testing.T) {
	_, c, path, _ := watched(t)
	before := descriptors(t)
	idle := make([]net.Conn, maxConnections)
	for i := range idle {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		idle[i] = conn
		if i == 0 {
			continue
		}
		if _, err := io.WriteString(conn, "GET /v1/version HTTP/1.1\r\nHost: u\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil { // it is served, and kept
			t.Fatal(err)
		}
	}
	begin := time.Now()
	if _, err := c.Version(t.Context()); err != nil || time.Since(begin) > time.Second {
		t.Errorf("one more than %d was answered after %v: %v", maxConnections, time.Since(begin), err)
	}
	// Ours and the server's ends, one that waits, and the listener's spare one.
	if n := descriptors(t) - before; n > 2*maxConnections+4 {
		t.Errorf("%d file descriptors for %d connections", n, maxConnections)
	}
}

// descriptors is how many files this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc: ", err)
	}
	return len(all)
}

// faulty is a backend with a fault.
type faulty struct{ *fakeBackend }

func (faulty) Links() []vtep.LinkInfo { panic("by the test") }

// TestFault: a request that panics is answered with an error, told and counted, and the
// next one is served.
func TestFault(t *testing.T) {
	var text bytes.Buffer
	s := &Server{config: ServerConfig{
		Backend: faulty{&fakeBackend{}}, Log: slog.New(slog.NewTextHandler(&text, nil)),
		Stats:     func() forward.Stats { return forward.Stats{} },
		Subscribe: func(vtep.EventSet) (*vtep.Subscription, error) { panic("by the test") },
	}}
	web := httptest.NewServer(s.handler())
	defer web.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // else it asks again
	before := fault.Caught()
	for path, want := range map[string]struct {
		status int
		says   string
	}{"/v1/links": {500, `"code":"fault"`}, "/v1/monitor": {0, ""}, "/v1/version": {200, "version"}} {
		res, err := client.Get(web.URL + path)
		if err != nil {
			if want.status != 0 {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != want.status || !strings.Contains(string(body), want.says) {
			t.Errorf("%s: status %d, %s", path, res.StatusCode, body)
		}
	}
	web.Close() // which waits for what a request still logs
	if n := fault.Caught() - before; n != 2 || !strings.Contains(text.String(), "level=ERROR") || !strings.Contains(text.String(), "GET /v1/links") {
		t.Errorf("%d faults were counted, the log says %s", n, &text)
	}
}
