package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// applyForced refuses a file unless it is forced.
func applyForced(_ context.Context, a api.ConfigApply) (api.ConfigApplied, error) {
	if !a.Force {
		return api.ConfigApplied{}, errKernel
	}
	return api.ConfigApplied{File: "f.yaml", Links: 1, Removed: []string{"vx2"}}, nil
}

// watched is a server over a VTEP on an in-memory host, with its client, its
// socket and what ends it.
func watched(t testing.TB) (v *vtep.VTEP, c *client.Client, path string, end func()) {
	t.Helper()
	return watchedOn(t, vteptest.NewNetwork().Host(netip.MustParseAddr("192.0.2.1")))
}

// watchedHost is watched with its host, and runs the VTEP.
func watchedHost(t testing.TB) (*vtep.VTEP, *vteptest.Host, *client.Client) {
	t.Helper()
	host := vteptest.NewNetwork().Host(netip.MustParseAddr("192.0.2.1"))
	v, c, _, _ := watchedOn(t, host)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- v.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	return v, host, c
}

// watchedOn is watched on a host.
func watchedOn(t testing.TB, host *vteptest.Host) (v *vtep.VTEP, c *client.Client, path string, end func()) {
	t.Helper()
	v = vtep.New(vtep.Config{Host: host, Log: slog.New(slog.DiscardHandler), Workers: 1})
	path = filepath.Join(t.TempDir(), "uvtep.sock")
	s, err := Listen(ServerConfig{Path: path, Backend: v, Subscribe: v.Subscribe, Explain: v.Explain, Capture: v.Capture, ApplyConfig: applyForced, Netdevs: noNetdevs{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	end = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve = %v", err)
		}
		ended <- nil // for another call
	}
	c = client.New(path)
	t.Cleanup(func() {
		c.Close()
		end()
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v, c, path, end
}

func mustMonitor(t *testing.T, c *client.Client, what ...string) *client.Monitor {
	t.Helper()
	m, err := c.Monitor(t.Context(), what...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func mustNext(t *testing.T, m *client.Monitor) api.Event {
	t.Helper()
	e, err := m.Next()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestMonitor(t *testing.T) {
	_, c, _, end := watched(t)
	all, entries := mustMonitor(t, c), mustMonitor(t, c, "fdb")
	begin := time.Now().Add(-time.Second)
	add := api.LinkChange{LinkSpec: api.LinkSpec{Name: "vx1", ID: new(uint32(42)), Remote: addr("192.0.2.2")}}
	if err := c.AddLink(t.Context(), add); err != nil {
		t.Fatal(err)
	}
	if e := mustNext(t, all); e.Event != api.EventNew || e.Object != api.ObjectLink || e.Link == nil || *e.Link.Spec.ID != 42 || e.Link.Netdev.Name != "vx1" ||
		e.Time.Before(begin) || e.Time.After(time.Now()) {
		t.Errorf("the link: %+v", e)
	}
	for _, m := range []*client.Monitor{all, entries} {
		if e := mustNext(t, m); e.Event != api.EventNew || e.Object != api.ObjectFDB || e.FDB == nil || e.FDB.Dst != *addr("192.0.2.2") ||
			e.FDB.State != api.Permanent || e.FDB.Dev != "vx1" || e.Reason != "user" {
			t.Errorf("the default entry: %+v", e)
		}
	}
	if err := c.DeleteLink(t.Context(), "vx1"); err != nil {
		t.Fatal(err)
	}
	if e := mustNext(t, entries); e.Event != api.EventDel || e.FDB.MAC != "00:00:00:00:00:00" {
		t.Errorf("the default entry's end: %+v", e)
	}
	if e := mustNext(t, all); e.Event != api.EventDel || e.FDB == nil {
		t.Errorf("the default entry's end: %+v", e)
	}
	if e := mustNext(t, all); e.Event != api.EventDel || e.Object != api.ObjectLink || e.Link.Netdev.Name != "vx1" {
		t.Errorf("the link's end: %+v", e)
	}
	end()
	if e, err := all.Next(); !errors.Is(err, client.ErrNotRunning) {
		t.Errorf("after the daemon's end: %+v, %v", e, err)
	}
}

// TestMonitorEnds: with its client's context, which makes room for another, and
// a plain request is served as before.
func TestMonitorEnds(t *testing.T) {
	v, c, _, _ := watched(t)
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	for ; n < 100; n++ {
		if _, err := c.Monitor(ctx, "link", "drop"); err != nil {
			if !errors.Is(err, api.ErrFull) {
				t.Errorf("monitor number %d: %v", n, err)
			}
			break
		}
	}
	if n == 0 || n == 100 {
		t.Fatalf("%d monitors were taken", n)
	}
	if _, err := c.Links(t.Context()); err != nil {
		t.Error(err)
	}
	cancel()
	for deadline := time.Now().Add(10 * time.Second); ; {
		s, err := v.Subscribe(vtep.LinkEvents)
		if err == nil {
			s.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the monitors' subscriptions outlive them: %v", err)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestMonitorSlowReader: who does not read holds nobody up, and is told in the
// stream how much it missed.
func TestMonitorSlowReader(t *testing.T) {
	v, c, _, _ := watched(t)
	if err := v.AddLink(vtep.LinkConfig{Name: "vx1", VNI: 42, MaxAddresses: vtep.UnlimitedAddresses}); err != nil {
		t.Fatal(err)
	}
	m := mustMonitor(t, c, "fdb")
	const changes = 50_000 // more than the queue (32,768) and the socket's buffer hold, and made before a line has waited too long
	e := vtep.FDBEntry{Link: "vx1", Remote: vtep.Remote{Addr: netip.MustParseAddr("192.0.2.3")}}
	for i := range changes {
		e.MAC = [6]byte{2, 0, 1, byte(i >> 16), byte(i >> 8), byte(i)}
		if err := v.FDBAdd(e); err != nil {
			t.Fatal(err)
		}
	}
	seen, lost := 0, 0
	for seen+lost < changes {
		switch e := mustNext(t, m); e.Event {
		case api.EventNew:
			seen++
		case api.EventLost:
			lost += int(e.Lost)
		default:
			t.Fatalf("%+v", e)
		}
	}
	if seen+lost != changes || lost == 0 {
		t.Errorf("%d seen and %d lost of %d", seen, lost, changes)
	}
	t.Logf("%d seen, %d lost", seen, lost)
}

// TestMonitorOfOneLink: nothing is heard of the others; the link may come later.
func TestMonitorOfOneLink(t *testing.T) {
	_, c, _, _ := watched(t)
	m, err := c.MonitorLink(t.Context(), "vx2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	for n, name := range []string{"vx1", "vx2", "vx3"} {
		if err := c.AddLink(t.Context(), api.LinkChange{LinkSpec: api.LinkSpec{Name: name, ID: new(uint32(42 + n)), Remote: addr("192.0.2.2")}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"vx1", "vx2"} {
		if err := c.DeleteLink(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"new link", "new fdb", "del fdb", "del link"} {
		e := mustNext(t, m)
		if got := e.Event + " " + e.Object; got != want || e.Link != nil && e.Link.Netdev.Name != "vx2" || e.FDB != nil && e.FDB.Dev != "vx2" {
			t.Errorf("heard %s %+v, want %s of vx2", got, e, want)
		}
	}
}

func TestMonitorRefusals(t *testing.T) {
	_, c, path, _ := watched(t)
	for query, want := range map[string]string{"what=banana": "link, fdb, local and drop", "list=false": "list=true", "what=link&what=fdb": "once", "banana=1": "what=", "dev=a&dev=b": "once", "dev=": "needs a name"} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintf(conn, "GET /v1/monitor?%s HTTP/1.0\r\n\r\n", query)
		answer, rerr := io.ReadAll(conn)
		if err != nil || rerr != nil || !strings.HasPrefix(string(answer), "HTTP/1.0 400") || !strings.Contains(string(answer), want) {
			t.Errorf("%s: %v %v %s", query, err, rerr, answer)
		}
		_ = conn.Close()
	}
	if _, err := c.Monitor(t.Context(), "fdb", "nope"); !errors.Is(err, api.ErrInvalid) {
		t.Errorf("monitor nope: %v", err)
	}
	without := dial(t, serve(t, &fakeBackend{}))
	if _, err := without.Monitor(t.Context()); err == nil {
		t.Error("a server without events has a monitor")
	}
}

// TestMonitorOutlivesRequests: a stream in which nothing happens is not ended by
// the limits that requests have.
func TestMonitorOutlivesRequests(t *testing.T) {
	t.Parallel()
	v, c, _, _ := watched(t)
	m := mustMonitor(t, c, "link")
	time.Sleep(readTimeout + time.Second) // the limit's own time
	if err := v.AddLink(vtep.LinkConfig{Name: "vx1", VNI: 42}); err != nil {
		t.Fatal(err)
	}
	if e := mustNext(t, m); e.Event != api.EventNew {
		t.Errorf("%+v", e)
	}
}

// TestMonitorCutsOff: readers that take nothing are cut off and make room.
func TestMonitorCutsOff(t *testing.T) {
	t.Parallel()
	v, c, _, _ := watched(t)
	if err := v.AddLink(vtep.LinkConfig{Name: "vx1", VNI: 42}); err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; ; n++ {
		if _, err := c.Monitor(t.Context(), "fdb"); err != nil {
			break
		}
	}
	full := func() bool {
		s, err := v.Subscribe(vtep.LinkEvents)
		if err == nil {
			s.Close()
		}
		return err != nil
	}
	begin := time.Now()
	for i := 0; full(); i++ {
		if time.Since(begin) > lineTimeout+10*time.Second {
			t.Fatalf("%d readers that read nothing are still served", n)
		}
		if i > 20_000 { // more than the sockets' buffers hold
			time.Sleep(10 * time.Millisecond)
		}
		e := vtep.FDBEntry{Link: "vx1", MAC: [6]byte{2, 0, 1, 0, byte(i >> 8), byte(i)}, Remote: vtep.Remote{Addr: netip.MustParseAddr("192.0.2.3")}}
		if err := errors.Join(v.FDBAdd(e), v.FDBDel("vx1", e.MAC, nil)); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(begin); took < lineTimeout/2 {
		t.Errorf("cut off after %v, want about %v", took, lineTimeout)
	}
}
