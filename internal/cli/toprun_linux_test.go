package cli

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/internal/agent"
	"github.com/uvtep/uvtep/internal/top"
)

// serveUnix answers on a unix socket until the test ends, or stop is called.
func serveUnix(t *testing.T, path string, answer func(path string) any) (stop func()) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(answer(r.URL.Path)) // to a client that may be gone
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	stop = sync.OnceFunc(func() { _ = s.Close(); <-done })
	t.Cleanup(stop)
	return stop
}

// written keeps what a program writes.
type written struct {
	mu  sync.Mutex
	all strings.Builder
}

func (w *written) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.Write(b)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

// TestTopRedraws: a look that changes a few figures sends a few bytes, not the screen: top is of
// use over a slow line. And it ends with its context.
func TestTopRedraws(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	var mu sync.Mutex
	looks := 0
	link := api.Link{Spec: api.LinkSpec{Name: "vxlan0", ID: new(uint32(42))}, Netdev: api.Netdev{Name: "vxlan0", Flags: []string{"UP"}}}
	for i := range 10 {
		link.Remotes = append(link.Remotes, api.RemoteStats{Dst: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), Heard: new(uint32(1))})
	}
	serveUnix(t, path, func(path string) any {
		mu.Lock()
		defer mu.Unlock()
		switch path {
		case "/v1/links":
			looks++
			link.Stats.Rx.Packets += uint64(looks)
			link.Remotes[0].Rx.Packets += uint64(looks)
			return []api.Link{link}
		case "/v1/ports":
			return []api.Port{}
		case "/v1/version":
			return api.Version{Version: "v1"}
		}
		return api.Stats{}
	})
	seen := func() int { mu.Lock(); defer mu.Unlock(); return looks }
	c := client.New(path)
	defer c.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	m := top.New(top.Options{Interval: 20 * time.Millisecond})
	input, typed := io.Pipe()
	defer typed.Close()
	out, ended := new(written), make(chan error, 1)
	go func() {
		ended <- runTop(ctx, m, &topAsker{client: c}, out, tea.WithInput(input), tea.WithWindowSize(80, 24))
	}()
	wait := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(timeout); !ok(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: not within %v: %q", what, timeout, out)
			}
		}
	}
	wait("the first screens", func() bool { return seen() > 10 && strings.Contains(out.String(), "vxlan0 vni 42") })
	whole, from, before := len(out.String()), seen(), len(out.String())
	wait("looks", func() bool { return seen() > from+20 })
	n := seen() - from
	if each := (len(out.String()) - before) / n; each > 400 {
		t.Errorf("a look sends %d bytes; the screens before were %d", each, whole)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("told to end: %v", err)
	}
}

// TestAgentAsker: where no agent runs nothing is told of it; one that goes is told of.
func TestAgentAsker(t *testing.T) {
	path := filepath.Join(t.TempDir(), "evpn")
	asker := &agentAsker{path: path}
	if e := asker.neighbours(t.Context()); e != nil {
		t.Errorf("without an agent: %+v", e)
	}
	stop := serveUnix(t, path, func(string) any {
		return []agent.Neighbor{{Address: netip.MustParseAddr("203.0.113.1"), State: "Established", Routes: 7}}
	})
	e := asker.neighbours(t.Context())
	if e == nil || e.Err != nil || len(e.Neighbours) != 1 || e.Neighbours[0].Routes != 7 || e.Neighbours[0].State != "Established" {
		t.Errorf("%+v", e)
	}
	stop()
	if e := asker.neighbours(t.Context()); e == nil || e.Err == nil {
		t.Errorf("the agent is gone: %+v", e)
	}
	a := &app{netns: "blue"}
	if t.Setenv(evpnEnv, ""); a.agentSocket() != "" {
		t.Error("the agent of this namespace is asked of another one's daemon")
	}
	if t.Setenv(evpnEnv, path); a.agentSocket() != path {
		t.Error("an agent that is named is not asked")
	}
}
