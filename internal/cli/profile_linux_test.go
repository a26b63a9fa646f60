package cli

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// TestProfiles: the control socket gives profiles of a daemon that is confined, and says what it has not.
func TestProfiles(t *testing.T) {
	a, _ := hosts(t)
	p := a.startPiped(false, "vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2")
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", a.socket)
	}}}
	if err := lab.Eventually(timeout, a.answers); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"heap":              "\x1f\x8b", // gzip
		"goroutine?debug=1": "goroutine profile: total",
		"profile?seconds=1": "\x1f\x8b",
		"profile?seconds=0": `{"error":"seconds=0 is out of range: 1 to 60"`,
		"tenants":           `{"error":"there is no profile tenants: write allocs`,
	} {
		res, err := c.Get("http://uvtep/debug/pprof/" + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || !strings.HasPrefix(string(b), want) {
			t.Errorf("%s: %.80q, %v, want %q", path, b, err, want)
		}
	}
	p.endsWith(exitDone)
}
