package control

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// serve runs a server over b until the test ends and returns its socket.
func serve(t *testing.T, b Backend) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "uvtep.sock")
	s, err := Listen(ServerConfig{Path: path, Backend: b, Version: "v1.2.3", Netdevs: noNetdevs{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve = %v, want nil after its context ended", err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is left behind: %v", err)
		}
	})
	return path
}

// dial is a client of the server whose socket is at path, until the test ends.
func dial(t *testing.T, path string) *client.Client {
	t.Helper()
	c := client.New(path)
	t.Cleanup(c.Close)
	return c
}

// web leads requests of HTTP to the socket at path.
func web(t *testing.T, path string) *http.Transport {
	t.Helper()
	over := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(over.CloseIdleConnections)
	return over
}

// backends are what the tests run over: the fake, and the real one on an
// in-memory host.
func backends(t *testing.T) map[string]Backend {
	host := vteptest.NewNetwork().Host(netip.MustParseAddr("192.0.2.1"))
	v := vtep.New(vtep.Config{Host: host, Log: slog.New(slog.DiscardHandler), Workers: 1})
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return map[string]Backend{"fake": &fakeBackend{}, "vtep": v}
}

func addr(s string) *netip.Addr { return new(netip.MustParseAddr(s)) }

func TestLinks(t *testing.T) {
	for name, b := range backends(t) {
		t.Run(name, func(t *testing.T) {
			c, ctx := dial(t, serve(t, b)), t.Context()
			spec := api.LinkSpec{Name: "vx1", ID: new(uint32(42)), Remote: addr("192.0.2.2"), Local: addr("192.0.2.1"), MaxAddress: new(api.Value("unlimited"))}
			if err := c.AddLink(ctx, api.LinkChange{LinkSpec: spec}); err != nil {
				t.Fatal(err)
			}
			if err := c.AddLink(ctx, api.LinkChange{LinkSpec: spec}); !errors.Is(err, api.ErrExist) || !strings.Contains(err.Error(), "File exists") {
				t.Errorf("adding a link again: %v, want File exists", err)
			}
			l, err := c.Link(ctx, "vx1")
			if err != nil {
				t.Fatal(err)
			}
			if *l.Spec.ID != 42 || *l.Spec.Remote != *spec.Remote || *l.Spec.DstPort != 4789 || *l.Spec.MaxAddress != "unlimited" || *l.Spec.Accept != "peers" {
				t.Errorf("the link reads back as %+v", l.Spec)
			}
			if slices.Contains(l.Netdev.Flags, "UP") {
				t.Error("the link is up after an add")
			}
			if err := c.ChangeLink(ctx, "vx1", api.LinkChange{LinkSpec: api.LinkSpec{Ageing: new(uint32(7))}, Up: new(true)}); err != nil {
				t.Fatal(err)
			}
			if l, err = c.Link(ctx, "vx1"); err != nil || *l.Spec.Ageing != 7 || *l.Spec.ID != 42 {
				t.Errorf("after the change: %+v, %v", l.Spec, err)
			}
			if err := c.ChangeLink(ctx, "vx1", api.LinkChange{LinkSpec: api.LinkSpec{ID: new(uint32(1 << 24))}}); !errors.Is(err, api.ErrInvalid) {
				t.Errorf("changing the VNI to 2^24: %v, want invalid", err)
			}
			if err := c.AddLink(ctx, api.LinkChange{LinkSpec: api.LinkSpec{Name: "vx2", ID: new(uint32(43))}, Up: new(true)}); err != nil {
				t.Fatal(err)
			}
			links, err := c.Links(ctx)
			if err != nil || len(links) != 2 || links[0].Netdev.Index > links[1].Netdev.Index {
				t.Errorf("Links = %+v, %v, want two by index", links, err)
			}
			for _, err := range []error{c.DeleteLink(ctx, "nope"), c.ChangeLink(ctx, "nope", api.LinkChange{Up: new(true)})} {
				if !errors.Is(err, api.ErrNoLink) || !strings.Contains(err.Error(), "Cannot find device") {
					t.Errorf("of a link that is not there: %v, want Cannot find device", err)
				}
			}
			if err := c.DeleteLink(ctx, "vx1"); err != nil {
				t.Error(err)
			}
			if _, err := c.Link(ctx, "vx1"); !errors.Is(err, api.ErrNoLink) {
				t.Errorf("the deleted link: %v", err)
			}
		})
	}
}

func TestFDB(t *testing.T) {
	for name, b := range backends(t) {
		t.Run(name, func(t *testing.T) {
			c, ctx := dial(t, serve(t, b)), t.Context()
			spec := api.LinkSpec{Name: "vx1", ID: new(uint32(42)), Remote: addr("192.0.2.2"), Dev: new("eth0")}
			if err := c.AddLink(ctx, api.LinkChange{LinkSpec: spec}); err != nil {
				t.Fatal(err)
			}
			one := api.FDBEntry{Dev: "vx1", MAC: "02:00:00:00:00:01", Dst: *addr("192.0.2.3")}
			two := api.FDBEntry{Dev: "vx1", MAC: "02:00:00:00:00:02", Dst: *addr("192.0.2.4"), Port: 8472, VNI: new(uint32(7)), State: api.Static, ExternLearn: true, Router: true}
			three := api.FDBEntry{Dev: "vx1", MAC: "02:00:00:00:00:03", Dst: *addr("192.0.2.3"), Port: 4789, VNI: new(uint32(42)), State: api.Dynamic}
			for _, e := range []api.FDBEntry{three, two, one} {
				if err := c.ChangeFDB(ctx, "add", e); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.ChangeFDB(ctx, "add", one); !errors.Is(err, api.ErrExist) {
				t.Errorf("adding again: %v", err)
			}
			gone := one
			gone.MAC = "02:00:00:00:00:09"
			if err := c.ChangeFDB(ctx, "del", gone); !errors.Is(err, api.ErrNotExist) || !strings.Contains(err.Error(), "No such file or directory") {
				t.Errorf("deleting what is not there: %v", err)
			}
			// Shown as the kernel shows it: the link's own port and VNI left out,
			// the default destination with the link's device.
			one.State, three.Port, three.VNI = api.Permanent, 0, nil
			def := api.FDBEntry{Dev: "vx1", MAC: "00:00:00:00:00:00", Dst: *addr("192.0.2.2"), Via: "eth0", State: api.Permanent}
			for what, test := range map[string]struct {
				filter api.FDBFilter
				want   []api.FDBEntry
			}{
				"all":           {api.FDBFilter{}, []api.FDBEntry{def, one, two, three}},
				"dev":           {api.FDBFilter{Dev: "vx1"}, []api.FDBEntry{def, one, two, three}},
				"mac":           {api.FDBFilter{MAC: "2:0:0:0:0:2"}, []api.FDBEntry{two}},
				"dst":           {api.FDBFilter{Dst: *addr("192.0.2.3")}, []api.FDBEntry{one, three}},
				"states":        {api.FDBFilter{States: []string{api.Static, api.Dynamic}}, []api.FDBEntry{two, three}},
				"router":        {api.FDBFilter{Router: new(true)}, []api.FDBEntry{two}},
				"no extern":     {api.FDBFilter{ExternLearn: new(false)}, []api.FDBEntry{def, one, three}},
				"via":           {api.FDBFilter{Via: "eth0"}, []api.FDBEntry{def}},
				"src_vni":       {api.FDBFilter{SrcVNI: new(uint32(42)), Router: new(true)}, []api.FDBEntry{two}},
				"another vni's": {api.FDBFilter{SrcVNI: new(uint32(43))}, nil},
			} {
				got, err := c.FDB(ctx, test.filter)
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
				if d := cmp.Diff(test.want, append([]api.FDBEntry(nil), got...), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
					t.Errorf("%s (-want +got):\n%s", what, d)
				}
			}
			if _, err := c.FDB(ctx, api.FDBFilter{Dev: "nope"}); !errors.Is(err, api.ErrNoLink) {
				t.Errorf("entries of no link: %v", err)
			}
			if n, err := c.FlushFDB(ctx, api.FDBFilter{Dev: "vx1", SrcVNI: new(uint32(43))}); n != 0 || err != nil {
				t.Errorf("flush of another VNI = %d, %v", n, err)
			}
			if n, err := c.FlushFDB(ctx, api.FDBFilter{Dev: "vx1", States: []string{api.Dynamic}}); n != 1 || err != nil {
				t.Errorf("flush dynamic = %d, %v, want 1", n, err)
			}
			if _, err := c.FlushFDB(ctx, api.FDBFilter{}); !errors.Is(err, api.ErrInvalid) {
				t.Errorf("flush without a link: %v", err)
			}
			if err := c.ChangeFDB(ctx, "del", api.FDBEntry{Dev: "vx1", MAC: one.MAC}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	if v, err := dial(t, serve(t, &fakeBackend{})).Version(t.Context()); v != "v1.2.3" || err != nil {
		t.Errorf("Version = %q, %v", v, err)
	}
}

func TestBadRequests(t *testing.T) {
	over := web(t, serve(t, &fakeBackend{}))
	for what, test := range map[string]struct {
		method, path, body string
		status             int
		code               string
	}{
		"unknown path":      {"GET", "/v2/links", "", 404, "no-path"},
		"unknown method":    {"PUT", "/v1/links", "{}", 404, "no-path"},
		"unknown verb":      {"POST", "/v1/fdb/frobnicate", `{"dev":"vx1","mac":"02:00:00:00:00:01"}`, 404, "no-path"},
		"no JSON":           {"POST", "/v1/links", "vx1 id 42", 400, "invalid"},
		"empty":             {"POST", "/v1/links", "", 400, "invalid"},
		"unknown key":       {"POST", "/v1/links", `{"name":"vx1","id":1,"banana":true}`, 400, "invalid"},
		"two values":        {"POST", "/v1/links", `{"name":"vx1","id":1} {}`, 400, "invalid"},
		"no name":           {"POST", "/v1/links", `{"id":1}`, 400, "invalid"},
		"no id":             {"POST", "/v1/links", `{"name":"vx1"}`, 400, "invalid"},
		"id of 25 bits":     {"POST", "/v1/links", `{"name":"vx1","id":16777216}`, 400, "invalid"},
		"too long":          {"POST", "/v1/links", `{"name":"` + strings.Repeat("x", maxBody) + `"}`, 413, "too-large"},
		"ttl of a word":     {"POST", "/v1/links", `{"name":"vx1","id":1,"ttl":"banana"}`, 400, "invalid"},
		"ttl of a fraction": {"POST", "/v1/links", `{"name":"vx1","id":1,"ttl":1.5}`, 400, "invalid"},
		"no MAC":            {"POST", "/v1/fdb/add", `{"dev":"vx1","mac":"x"}`, 400, "invalid"},
		"unknown filter":    {"GET", "/v1/fdb?banana=1", "", 400, "invalid"},
		"bad filter":        {"GET", "/v1/fdb?port=70000", "", 400, "invalid"},
		"filter twice":      {"GET", "/v1/fdb?dev=a&dev=b", "", 400, "invalid"},
		"no link":           {"GET", "/v1/links/nope", "", 404, "no-link"},
	} {
		t.Run(what, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), test.method, "http://uvtep"+test.path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			res, err := over.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != test.status || !bytes.Contains(body, []byte(`"code":"`+test.code+`"`)) || res.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %s: %d %s, want %d %s", test.method, test.path, res.StatusCode, body, test.status, test.code)
			}
		})
	}
}

func TestListen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "uvtep.sock")
	config := ServerConfig{Path: path, Backend: &fakeBackend{}}
	s, err := Listen(config)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != os.ModeSocket|socketMode {
		t.Errorf("the socket's mode is %v, %v", info.Mode(), err)
	}
	if _, err := Listen(config); !errors.Is(err, ErrRunning) {
		t.Errorf("a second daemon: %v, want ErrRunning", err)
	}
	// A dead daemon's file: closed without being removed.
	if err := s.listener.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Fatal("the test's socket file is gone", err)
	}
	if _, err := client.New(path).Version(t.Context()); !errors.Is(err, client.ErrNotRunning) {
		t.Errorf("a client of a dead daemon: %v, want ErrNotRunning", err)
	}
	if s, err = Listen(config); err != nil {
		t.Fatalf("on a dead daemon's socket: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := client.New(path).Version(t.Context()); !errors.Is(err, client.ErrNotRunning) {
		t.Errorf("a client without a daemon: %v, want ErrNotRunning", err)
	}
	config.Path = filepath.Join(dir, "file")
	if err := os.WriteFile(config.Path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(config); err == nil {
		t.Error("a file that is no socket was replaced")
	}
	if b, err := os.ReadFile(config.Path); string(b) != "precious" {
		t.Errorf("the file holds %q, %v", b, err)
	}
}

// TestListenRemedies: where no socket can be, the error says what to do.
func TestListenRemedies(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(file, "s"), file, filepath.Join(t.TempDir(), strings.Repeat("x", 200))} {
		if _, err := Listen(ServerConfig{Path: path, Backend: &fakeBackend{}}); err == nil || !strings.Contains(err.Error(), "with --control") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
