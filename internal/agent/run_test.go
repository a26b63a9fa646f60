package agent

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/evpn"
)

// TestRunning: an agent answers on its socket, takes its file again by difference, and tells what
// happens; a second one on the same socket is refused.
func TestRunning(t *testing.T) {
	dir := t.TempDir()
	socket, name := filepath.Join(dir, "evpn"), filepath.Join(dir, "evpn.yaml")
	write := func(text string) {
		if err := os.WriteFile(name, []byte("as: 65001\nrouter-id: 192.0.2.1\nsocket: "+socket+"\nlinks: all\nneighbors:\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Neighbours that are waited for: no test leaves this host.
	write("  - {address: 192.0.2.2, remote-as: 65001, passive: true}\n  - {address: 192.0.2.3, remote-as: 65001, passive: true}\n")
	hup := make(chan os.Signal)
	ready := make(chan struct{})
	daemon := fakeSocket(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := json.NewEncoder(w)
		if r.URL.Path == "/v1/sweep" {
			_ = out.Encode(api.Swept{})
			return
		}
		_ = out.Encode(api.Event{Event: api.EventNew, Object: api.ObjectLink, Listed: true, Link: &api.Link{Spec: api.LinkSpec{Name: "l", ID: new(uint32(42)), Local: new(netip.MustParseAddr("192.0.2.1")), EVPN: new(true)}}})
		_ = out.Encode(api.Event{Event: api.EventListed})
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	o := Options{File: name, Control: daemon, Log: func(string) *slog.Logger { return slog.New(slog.DiscardHandler) }, Hangups: hup, Ready: func() { close(ready) }}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if err := Run(ctx, o); err != nil {
			t.Error(err)
		}
	})
	<-ready
	ask := Asker{Path: socket}
	neighbors := func() []string {
		var all []Neighbor
		if err := ask.Get(ctx, "neighbor", &all); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, n := range all {
			names = append(names, n.Address.String())
		}
		return names
	}
	if got := neighbors(); !slices.Equal(got, []string{"192.0.2.2", "192.0.2.3"}) {
		t.Errorf("the neighbours are %v", got)
	}
	wait(t, "the link takes part", func() bool {
		var all []evpn.VNI
		return ask.Get(ctx, "vni", &all) == nil && len(all) == 1 && all[0].Out == ""
	})
	if err := Run(ctx, o); err == nil || !strings.Contains(err.Error(), "answers on") {
		t.Errorf("a second agent: %v", err)
	}
	monitor := make(chan error, 1)
	group.Go(func() { monitor <- ask.Monitor(ctx, func(*Event) error { return nil }) })
	write("  - {address: 192.0.2.3, remote-as: 65001, passive: true}\n  - {address: 192.0.2.4, remote-as: 65001, passive: true}\n")
	hup <- os.Interrupt
	wait(t, "the file is taken", func() bool { return slices.Equal(neighbors(), []string{"192.0.2.3", "192.0.2.4"}) })
	write("  - {address: 192.0.2.3, remote-as: 0}\n")
	hup <- os.Interrupt // is not taken
	hup <- os.Interrupt
	if got := neighbors(); len(got) != 2 {
		t.Errorf("the neighbours of a broken file are %v", got)
	}
	if _, err := ask.Clear(ctx, Clear{Link: "x"}); err == nil {
		t.Error("duplicates of a link that is not there are cleared")
	}
	cancel()
	group.Wait()
	if err := <-monitor; err != nil {
		t.Errorf("a monitor that was told to end: %v", err)
	}
	if err := ask.Get(t.Context(), "neighbor", &[]Neighbor{}); !errors.Is(err, client.ErrNotRunning) {
		t.Errorf("an agent that ended: %v", err)
	}
}

// wait waits until cond holds.
func wait(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not come to this: %s", what)
		}
	}
}
