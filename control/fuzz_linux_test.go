package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/fault"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// asked is a request as it comes over the socket.
func asked(method, path, body string) []byte {
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: uvtep\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body)
}

// requests are some of each kind that there is: each makes something, changes it, asks for it, and deletes it.
func requests() [][]byte {
	const link = `{"name":"vx1","id":42,"remote":"192.0.2.2","local":"192.0.2.1","maxaddress":5,"accept":"192.0.2.0/24","min_ttl":3,"proxy":true,"up":true}`
	const entry = `{"dev":"vx1","mac":"02:00:00:00:00:01","dst":"192.0.2.3","port":4790,"vni":7,"via":"eth0","state":"static"}`
	return [][]byte{
		asked("POST", "/v1/links", link), asked("PATCH", "/v1/links/vx1", `{"id":43,"ttl":"inherit","group":"239.1.1.1","dev":"eth0"}`),
		asked("GET", "/v1/links", ""), asked("GET", "/v1/links/vx1", ""), asked("DELETE", "/v1/links/vx1", ""),
		asked("POST", "/v1/fdb/add", entry), asked("POST", "/v1/fdb/append", `{"dev":"vx1","mac":"00:00:00:00:00:00","dst":"2001:db8::1","noflood":true}`),
		asked("POST", "/v1/fdb/replace", entry), asked("POST", "/v1/fdb/del", entry), asked("GET", "/v1/fdb?dev=vx1&mac=02:00:00:00:00:01&state=static", ""),
		asked("POST", "/v1/fdb/flush", `{"dev":"vx1","vni":7}`), asked("POST", "/v1/ports", `{"name":"tr0","type":"trunk","mtu":1400}`),
		asked("GET", "/v1/ports/tr0", ""), asked("PATCH", "/v1/ports/tr0", `{"up":true}`), asked("DELETE", "/v1/ports/tr0", ""),
		asked("POST", "/v1/fdb/batch", `{"owner":"c","generation":1,"changes":[{"op":"replace","dev":"vx1","mac":"02:00:00:00:00:01","dst":"192.0.2.3"}]}`),
		asked("POST", "/v1/neigh/batch", `{"owner":"c","generation":1,"changes":[{"op":"replace","dev":"vx1","ip":"198.51.100.7","mac":"02:00:00:00:00:09"}]}`),
		asked("POST", "/v1/sweep", `{"owner":"c","generation":2}`), asked("GET", "/v1/neigh?dev=vx1", ""), asked("GET", "/v1/local?dev=vx1", ""),
		asked("GET", "/v1/stats", ""), asked("GET", "/v1/version", ""), asked("POST", "/v1/config/apply", `{}`), asked("POST", "/v1/handover", ""),
		asked("GET", "/v1/monitor?events=fdb", ""), asked("PUT", "/none", "x"),
	}
}

// FuzzAPI: whatever requests come one after the other, each is answered in JSON, no part of the daemon panics, and it can
// be asked on.
func FuzzAPI(f *testing.F) {
	all := requests()
	f.Add(bytes.Join(all, nil))
	for i := range all {
		f.Add(bytes.Join([][]byte{all[0], all[i], all[5], all[2]}, nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v := vtep.New(vtep.Config{Host: vteptest.NewNetwork().Host(netip.MustParseAddr("192.0.2.1")), Log: slog.New(slog.DiscardHandler), Workers: 1})
		defer func() {
			if err := v.Close(); err != nil {
				t.Error(err)
			}
		}()
		s := &Server{config: ServerConfig{
			Backend: v, Netdevs: noNetdevs{}, Log: slog.New(slog.DiscardHandler), Addresses: v.Addresses,
			Stats:     func() forward.Stats { return v.Stats() },
			Subscribe: func(vtep.EventSet) (*vtep.Subscription, error) { return nil, api.ErrNoPath },
		}}
		h, faults := s.handler(), fault.Caught()
		ask := func(r *http.Request) {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r.WithContext(context.WithValue(t.Context(), peerKey{}, peer{})))
			if n := fault.Caught(); n != faults {
				t.Fatalf("%s %s: a panic", r.Method, r.URL)
			}
			redirects := w.Code/100 == 3 // of a path with .. in it, by net/http
			if d := json.NewDecoder(w.Body); r.Method != http.MethodHead && !redirects {
				var answer any
				if err := d.Decode(&answer); err != nil || d.More() {
					t.Fatalf("%s %s: status %d, %v", r.Method, r.URL, w.Code, err)
				}
			}
		}
		in := bufio.NewReader(bytes.NewReader(b))
		for range 30 {
			r, err := http.ReadRequest(in)
			if err != nil {
				break
			}
			ask(r)
			_, _ = io.Copy(io.Discard, r.Body)
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(asked("GET", "/v1/links", ""))))
		if err != nil {
			t.Fatal(err)
		}
		ask(r)
	})
}
