package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/bgp"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/evpn"
)

// fakeDaemon answers as the data plane's socket does.
func fakeDaemon(t *testing.T, h http.Handler) *client.Client {
	t.Helper()
	c := client.New(fakeSocket(t, h))
	t.Cleanup(c.Close)
	return c
}

// fakeSocket is the path of its socket.
func fakeSocket(t *testing.T, h http.Handler) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	var group sync.WaitGroup
	group.Go(func() { _ = s.Serve(l) })
	t.Cleanup(func() {
		_ = s.Close()
		group.Wait()
	})
	return path
}

// TestApply: what a change is in the data plane's words, and whose result is whose.
func TestApply(t *testing.T) {
	var asked []string
	answer := func(w http.ResponseWriter, n int) {
		r := api.BatchResult{Results: make([]api.ChangeResult, n)}
		for i := range r.Results {
			if i == n-1 {
				r.Results[i] = api.ChangeResult{Error: "no such entry", Code: api.ErrNotExist.Code}
			}
		}
		_ = json.NewEncoder(w).Encode(r)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/fdb/batch", func(w http.ResponseWriter, r *http.Request) {
		var b api.FDBBatch
		_ = json.NewDecoder(r.Body).Decode(&b)
		for _, c := range b.Changes {
			asked = append(asked, fmt.Sprintf("%s %d %s %s %s %v %s %t %t", b.Owner, b.Generation, c.Op, c.Dev, c.MAC, c.Dst, c.State, c.NoFlood, c.ExternLearn))
		}
		answer(w, len(b.Changes))
	})
	mux.HandleFunc("POST /v1/neigh/batch", func(w http.ResponseWriter, r *http.Request) {
		var b api.NeighBatch
		_ = json.NewDecoder(r.Body).Decode(&b)
		for _, c := range b.Changes {
			asked = append(asked, fmt.Sprintf("%s %d %s %s %v %s %t %t", b.Owner, b.Generation, c.Op, c.Dev, c.IP, c.MAC, c.Router, c.Override))
		}
		answer(w, len(b.Changes))
	})
	p := &plane{client: fakeDaemon(t, mux)}
	p.generation.Store(7)
	mac, v, ip := bgp.MAC{2, 0, 0, 0, 0, 0xa}, netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::a")
	errs, err := p.Apply(t.Context(), []evpn.Change{
		{Kind: evpn.SetAddr, Link: "l", MAC: mac, Addr: ip, Router: true},
		{Kind: evpn.SetMAC, Link: "l", MAC: mac, VTEP: v},
		{Kind: evpn.SetMAC, Link: "l", MAC: mac, VTEP: v, Sticky: true},
		{Kind: evpn.SetVTEP, Link: "l", VTEP: v, Flood: true},
		{Kind: evpn.SetVTEP, Link: "l", VTEP: v},
		{Kind: evpn.DelVTEP, Link: "l", VTEP: v},
		{Kind: evpn.DelAddr, Link: "l", Addr: ip},
		{Kind: evpn.DelMAC, Link: "l", MAC: mac},
		{Kind: evpn.SetMAC, Link: "l", MAC: mac, VTEP: v},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range errs { // the last ones of both batches are refused: a removal of nothing is none
		if got, want := e != nil, i == 8; got != want {
			t.Errorf("change %d: %v", i, e)
		}
	}
	want := []string{
		"evpn 7 replace l 02:00:00:00:00:0a 192.0.2.2 static false true",
		"evpn 7 replace l 02:00:00:00:00:0a 192.0.2.2 permanent false true",
		"evpn 7 append l 00:00:00:00:00:00 192.0.2.2 permanent false true",
		"evpn 7 append l 00:00:00:00:00:00 192.0.2.2 permanent true true",
		"evpn 7 del l 00:00:00:00:00:00 192.0.2.2  false true",
		"evpn 7 del l 02:00:00:00:00:0a invalid IP  false true",
		"evpn 7 replace l 02:00:00:00:00:0a 192.0.2.2 static false true",
		"evpn 7 replace l 2001:db8::a 02:00:00:00:00:0a true false",
		"evpn 7 del l 2001:db8::a  false false",
	}
	if !slices.Equal(asked, want) {
		t.Errorf("it was asked:\n%s\nwant:\n%s", strings.Join(asked, "\n"), strings.Join(want, "\n"))
	}
}

// recorder writes down what it hears.
type recorder struct{ ch chan string }

func (r *recorder) BeginList() { r.ch <- "begin" }
func (r *recorder) EndList()   { r.ch <- "end" }
func (r *recorder) Lost()      { r.ch <- "lost" }
func (r *recorder) HandleLink(l evpn.Link) {
	r.ch <- fmt.Sprintf("link %s %d %v quiet %t down %t", l.Name, l.VNI, l.Local, l.Quiet, l.Down)
}
func (r *recorder) HandleLinkGone(name string)       { r.ch <- "gone " + name }
func (r *recorder) HandleLinkRenamed(was, is string) { r.ch <- was + " is " + is }
func (r *recorder) HandleMAC(m evpn.MAC) {
	r.ch <- fmt.Sprintf("mac %v sticky %t gone %t", m.MAC, m.Sticky, m.Gone)
}
func (r *recorder) HandleAddr(a evpn.Addr) {
	r.ch <- fmt.Sprintf("addr %v of %v router %t gone %t", a.Addr, a.MAC, a.Flags.Router, a.Gone)
}

// TestFollow: what the data plane says reaches the agent, and after the stream's end all begins
// anew.
func TestFollow(t *testing.T) {
	local := func(e string, l api.LocalEntry) api.Event {
		return api.Event{Event: e, Object: api.ObjectLocal, Local: &l}
	}
	link := func(e string, learn, says, up bool) api.Event {
		flags := []string{"BROADCAST"}
		if up {
			flags = append(flags, "UP")
		}
		return api.Event{Event: e, Object: api.ObjectLink, Link: &api.Link{Netdev: api.Netdev{Flags: flags},
			Spec: api.LinkSpec{Name: "l", ID: new(uint32(42)), Local: new(netip.MustParseAddr("192.0.2.1")), LearnLocal: &learn, EVPN: &says}}}
	}
	a, ip := "02:00:00:00:00:0a", netip.MustParseAddr("198.51.100.1")
	moved := local(api.EventMove, api.LocalEntry{Dev: "l", MAC: a, IP: ip, Router: true})
	moved.OldMAC = "02:00:00:00:00:0b"
	events := []api.Event{
		link(api.EventNew, true, false, true), local(api.EventNew, api.LocalEntry{Dev: "l", MAC: a}), {Event: api.EventListed},
		local(api.EventNew, api.LocalEntry{Dev: "l", MAC: a, Sticky: true}),
		moved, local(api.EventConflict, api.LocalEntry{Dev: "l", MAC: a, Contested: true}), local(api.EventDel, api.LocalEntry{Dev: "l", MAC: a, IP: ip}),
		link(api.EventNew, false, true, false), link(api.EventNew, false, true, true), link(api.EventNew, false, false, true), link(api.EventDel, true, true, true),
	}
	c := fakeDaemon(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := json.NewEncoder(w)
		if r.URL.Path == "/v1/sweep" {
			_ = out.Encode(api.Swept{})
			return
		}
		for i := range events {
			_ = out.Encode(&events[i])
		}
	}))
	r := &recorder{make(chan string, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		_ = (&follower{client: c, plane: &plane{client: c}, agent: r, log: slog.New(slog.DiscardHandler)}).run(ctx)
	})
	want := []string{
		"begin", "link l 42 192.0.2.1 quiet true down false", "mac " + a + " sticky false gone false", "end", "mac " + a + " sticky true gone false",
		"addr 198.51.100.1 of 02:00:00:00:00:0b router false gone true", "addr 198.51.100.1 of " + a + " router true gone false",
		"mac " + a + " sticky false gone true", "addr 198.51.100.1 of " + a + " router false gone true",
		"link l 42 192.0.2.1 quiet false down true", "link l 42 192.0.2.1 quiet false down false", "gone l", "lost", "begin",
	}
	for i, w := range want {
		select {
		case got := <-r.ch:
			if got != w {
				t.Errorf("call %d is %q, want %q", i, got, w)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("call %d does not come, want %q", i, w)
		}
	}
	cancel()
	group.Wait()
}
