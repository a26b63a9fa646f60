package control

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep"
)

// tableBackend has one link with a real table of so many learned entries.
type tableBackend struct {
	fakeBackend
	table *fdb.Table
}

func newTableBackend(entries int) *tableBackend {
	b := &tableBackend{table: fdb.New(fdb.Config{})}
	for n := range entries {
		b.table.Learn(encap.MAC{2, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, 1, 1)
	}
	return b
}

func (b *tableBackend) WalkFDB(_ vtep.FDBFilter, fn func(*vtep.FDBEntry) bool) error {
	addr := netip.MustParseAddr("192.0.2.2")
	b.table.Walk(func(e *fdb.Entry) bool {
		return fn(&vtep.FDBEntry{Link: "vx1", MAC: e.MAC, Remote: vtep.Remote{Addr: addr}})
	})
	return nil
}

// listener is a server for b that nobody can reach.
func listener(t *testing.T, b Backend) *Server {
	t.Helper()
	s, err := Listen(ServerConfig{Path: filepath.Join(t.TempDir(), "s"), Backend: b, Netdevs: noNetdevs{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func liveHeap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// unkept is an answer that nobody keeps; each calls look.
type unkept struct {
	head   http.Header
	look   func()
	chunks int
	bytes  int
}

func (w *unkept) Header() http.Header { return w.head }
func (w *unkept) WriteHeader(int)     {}
func (w *unkept) Write(b []byte) (int, error) {
	w.chunks++
	w.bytes += len(b)
	w.look()
	return len(b), nil
}

// TestFDBReadMemory: 100,000 entries, which would take 34 MiB as a whole, are listed in a MiB, and 50 readers at a time,
// none of whom reads on, take little more each than their buffers.
func TestFDBReadMemory(t *testing.T) {
	const entries, readers = 100_000, 50
	s := listener(t, newTableBackend(entries))
	request := func() *http.Request { return httptest.NewRequest(http.MethodGet, "/v1/fdb", nil) }
	before, most := liveHeap(), int64(0)
	w := &unkept{head: http.Header{}}
	w.look = func() {
		if w.chunks%200 == 0 {
			most = max(most, liveHeap()-before)
		}
	}
	s.fdb(w, request())
	t.Logf("%d entries, %d bytes: %d KiB", entries, w.bytes, most>>10)
	if w.bytes < 50*entries || most > 1<<20 {
		t.Errorf("%d entries in %d bytes take %d bytes of memory", entries, w.bytes, most)
	}
	before = liveHeap()
	var arrived, done sync.WaitGroup
	stop := make(chan struct{})
	arrived.Add(readers)
	for range readers {
		done.Go(func() {
			w := &unkept{head: http.Header{}}
			w.look = func() {
				if w.chunks == 1 {
					arrived.Done()
					<-stop
				}
			}
			s.fdb(w, request().WithContext(t.Context()))
		})
	}
	arrived.Wait()
	each := (liveHeap() - before) / readers
	t.Logf("a reader that waits: %d KiB", each>>10)
	if each > 200<<10 {
		t.Errorf("%d bytes a reader", each)
	}
	s.config.Backend.(*tableBackend).table.Flush(nil) // the rest is short
	close(stop)
	done.Wait()
}

// TestFDBReadBytes: the list that is written entry by entry has the bytes that it would
// have as a whole, and none at all is an empty list.
func TestFDBReadBytes(t *testing.T) {
	for _, n := range []int{0, 1, 3, 1000} {
		b := newTableBackend(n)
		all := []api.FDBEntry{}
		if err := b.WalkFDB(vtep.FDBFilter{}, func(e *vtep.FDBEntry) bool { all = append(all, entryOf(*e)); return true }); err != nil {
			t.Fatal(err)
		}
		var want strings.Builder
		if err := json.NewEncoder(&want).Encode(all); err != nil {
			t.Fatal(err)
		}
		got := httptest.NewRecorder()
		listener(t, b).fdb(got, httptest.NewRequest(http.MethodGet, "/v1/fdb", nil))
		if got.Body.String() != want.String() || got.Code != http.StatusOK || got.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%d entries: status %d, %v: %.200s", n, got.Code, got.Header(), got.Body)
		}
	}
}
