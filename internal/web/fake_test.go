package web

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/fault"
)

// daemon is a Source of lists.
type daemon struct {
	links   []api.Link
	entries []api.FDBEntry // by link and MAC address
	stats   api.Stats
	asked   int                       // for links
	walked  []api.FDBFilter           // each walk's
	onEntry func(entry *api.FDBEntry) // nil: nothing
	panics  bool
}

func (d *daemon) Links(int) []api.Link {
	if d.panics {
		panic("by the test")
	}
	d.asked++
	return d.links
}

func (d *daemon) Stats() api.Stats { return d.stats }

func (d *daemon) WalkFDB(f *api.FDBFilter, fn func(*api.FDBEntry) bool) error {
	d.walked = append(d.walked, *f)
	for i := range d.entries {
		e := &d.entries[i]
		if e.Dev != f.Dev || f.MAC != "" && e.MAC != f.MAC {
			continue
		}
		if d.onEntry != nil {
			d.onEntry(e)
		}
		if !fn(e) {
			break
		}
	}
	return nil
}

// newLink is a link with remotes that each got and sent so many frames.
func newLink(name string, id uint32, remotes int, frames uint64) api.Link {
	l := api.Link{
		Spec:   api.LinkSpec{Name: name, ID: &id, DstPort: new(uint16(4789)), MaxAddress: new(api.Value("16384"))},
		Netdev: api.Netdev{Name: name, MTU: 1450, Flags: []string{"UP"}}, Entries: remotes,
		Stats: api.LinkStats{Rx: api.Counts{Packets: frames, Bytes: 1000 * frames}, Tx: api.Counts{Packets: frames, Bytes: 100 * frames}},
	}
	for i := range remotes {
		l.Remotes = append(l.Remotes, api.RemoteStats{
			Dst: netip.AddrFrom4([4]byte{198, 51, byte(100 + i>>8), byte(i)}), Configured: true, Entries: 2, Heard: new(uint32(0)),
			Rx: api.Counts{Packets: frames, Bytes: 1000 * frames}, Tx: api.Counts{Packets: frames, Bytes: 100 * frames},
		})
	}
	return l
}

// entryOf is a learned entry.
func entryOf(link string, mac int, dst string) api.FDBEntry {
	return api.FDBEntry{
		Dev: link, MAC: fmt.Sprintf("02:00:00:00:%02x:%02x", mac>>8, mac&0xff), Dst: netip.MustParseAddr(dst), State: api.Dynamic,
	}
}

func newPage(d *daemon) *Page {
	return New(Config{Source: d, Version: "v1.2.3", Log: slog.New(slog.DiscardHandler)})
}

// ask asks a page as a browser does that was told the daemon's address; more are headers, each with
// its value.
func ask(t *testing.T, h http.Handler, method, path string, more ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	r.Host = "127.0.0.1:9473"
	for i := 0; i < len(more); i += 2 {
		if r.Header.Set(more[i], more[i+1]); more[i] == "Host" {
			r.Host = more[i+1]
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestFault: a panic costs the answer alone, and is counted.
func TestFault(t *testing.T) {
	p, before := newPage(&daemon{panics: true}), fault.Caught()
	for i := range 2 { // it holds no lock afterwards
		func() {
			defer func() {
				if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
					t.Errorf("it ended with %v", err)
				}
			}()
			ask(t, p, http.MethodGet, "/state.json")
		}()
		if n := fault.Caught() - before; n != uint64(i+1) {
			t.Errorf("%d faults are counted", n)
		}
	}
}
