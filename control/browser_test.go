package control

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/vtep"
)

// servePage runs a server with a status page, which says its path, until the test ends.
func servePage(t *testing.T, b Backend, page http.Handler) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "uvtep.sock")
	s, err := Listen(ServerConfig{Path: path, Backend: b, Netdevs: noNetdevs{}, Page: page, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
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
	return path
}

// TestBrowsers: pages of others, in the browser of who forwarded a port to the socket, neither change nor
// read anything by the API, whatever they lead there; other programs go on as before.
func TestBrowsers(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "page "+r.URL.Path) })
	b := &fakeBackend{}
	if err := b.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 42}); err != nil {
		t.Fatal(err)
	}
	with, without := web(t, servePage(t, b, page)), web(t, serve(t, b))
	const link = `{"name":"vxlan1","id":43}`
	for _, test := range []struct {
		over              *http.Transport
		method, url, body string
		header            string // with its value after a colon
		status            int
		want              string
	}{
		{with, "POST", "http://localhost:8080/v1/links", link, "Origin:http://evil.example", 403, "browsers get the status page"},
		{with, "POST", "http://localhost:8080/v1/links", link, "Origin:http://localhost:8080", 403, ""},
		{with, "POST", "http://localhost:8080/v1/links", link, "Origin:null", 403, ""},
		{with, "DELETE", "http://127.0.0.1:8080/v1/links/vxlan0", "", "Sec-Fetch-Site:same-origin", 403, ""},
		{with, "GET", "http://127.0.0.1:8080/v1/links", "", "Sec-Fetch-Site:cross-site", 403, ""},
		{with, "GET", "http://127.0.0.1:8080/debug/pprof/heap", "", "Sec-Fetch-Site:none", 403, ""},
		{with, "GET", "http://evil.example:8080/v1/links", "", "", 403, "browsers get the status page"},
		{with, "POST", "http://evil.example/v1/links", link, "", 403, ""},
		{with, "GET", "http://127.0.0.1/v1/links", "", "", 200, "vxlan0"},
		{with, "GET", "http://[::1]:1/v1/links", "", "", 200, "vxlan0"},
		{with, "GET", "http://uvtep/v1/links", "", "", 200, "vxlan0"},
		{with, "GET", "http://localhost:8080/web/", "", "Sec-Fetch-Site:none", 200, "page /"},
		{with, "GET", "http://localhost:8080/web/state.json", "", "Sec-Fetch-Site:same-origin", 200, "page /state.json"},
		{with, "GET", "http://localhost:8080/web", "", "Sec-Fetch-Site:none", 303, ""},
		{with, "GET", "http://localhost:8080/webs", "", "Sec-Fetch-Site:none", 403, ""},
		{with, "GET", "http://localhost:8080/web/../v1/links", "", "Sec-Fetch-Site:none", 307, ""}, // to where a browser gets nothing
		{without, "GET", "http://uvtep/web/", "", "", 404, ""},
		{without, "GET", "http://evil.example/v1/links", "", "", 200, "vxlan0"}, // as before, where nobody is told to look here with a browser
		{without, "POST", "http://localhost/v1/links", link, "Origin:http://localhost", 403, ""},
	} {
		r, err := http.NewRequestWithContext(t.Context(), test.method, test.url, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		if name, value, ok := strings.Cut(test.header, ":"); ok {
			r.Header.Set(name, value)
		}
		res, err := test.over.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != test.status || !strings.Contains(string(text), test.want) {
			t.Errorf("%s %s, %s: %d %s (%v), want %d", test.method, test.url, test.header, res.StatusCode, text, err, test.status)
		}
		if res.StatusCode == http.StatusForbidden && !strings.Contains(string(text), `"code":"`+api.ErrDenied.Code+`"`) {
			t.Errorf("%s %s: %s", test.method, test.url, text)
		}
	}
	if n := len(b.Links()); n != 1 {
		t.Errorf("there are %d links", n)
	}
}
