package vtep

import (
	"log/slog"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// newSinkLink is a link on a host that takes everything.
func newSinkLink(t testing.TB) *link {
	t.Helper()
	host := sink{make(chan struct{})}
	v := New(Config{Host: host, Log: slog.New(slog.DiscardHandler), Workers: 1})
	t.Cleanup(func() {
		close(host.closed)
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := v.AddLink(LinkConfig{Name: "vxlan0", VNI: 42}); err != nil {
		t.Fatal(err)
	}
	return v.links["vxlan0"]
}

// TestMisses: the data path tells of misses without memory and without a wait,
// leaves room for what happens to entries, and costs nothing where nobody
// listens.
func TestMisses(t *testing.T) {
	l := newSinkLink(t)
	ip := netip.MustParseAddr("2001:db8:2::1")
	tell := func() {
		l.vtep.tellL2Miss("vxlan0", encap.MAC{2, 0, 0, 0, 0, 1})
		l.vtep.tellL3Miss("vxlan0", encap.AddrFrom(ip))
	}
	if n := testing.AllocsPerRun(1000, tell); n != 0 {
		t.Errorf("%v allocations where nobody listens", n)
	}
	sub, err := l.vtep.Subscribe(FDBEvents)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	const runs = 2000
	if n := testing.AllocsPerRun(runs, tell); n != 0 {
		t.Errorf("%v allocations where somebody listens", n)
	}
	if err := l.vtep.FDBAdd(FDBEntry{Link: "vxlan0", MAC: encap.MAC{2, 0, 0, 0, 0, 2}}); err != nil {
		t.Fatal(err)
	}
	all, lost, err := sub.Read(t.Context(), nil)
	const told = 2 * (runs + 1) // AllocsPerRun's first is for warming up
	if err != nil || len(all) != maxMisses+1 || lost != told-maxMisses {
		t.Fatalf("%d events, %d lost, %v; want %d and %d", len(all), lost, err, maxMisses+1, told-maxMisses)
	}
	if e := all[0]; e.Kind != L2Miss || e.Entry.Link != "vxlan0" || e.Entry.MAC != (encap.MAC{2, 0, 0, 0, 0, 1}) {
		t.Errorf("the first: %+v", e)
	}
	if e := all[1]; e.Kind != L3Miss || e.Entry.Remote.Addr != ip {
		t.Errorf("the second: %+v", e)
	}
	if e := all[maxMisses]; e.Kind != EntryChanged {
		t.Errorf("the last: %+v, want the entry", e)
	}
	// A reader that holds the lock just now is not waited for.
	sub.mu.Lock()
	tell()
	sub.mu.Unlock()
	if all, lost, err = sub.Read(t.Context(), all); err != nil || len(all) != 0 || lost != 2 {
		t.Errorf("while the queue was locked: %d events, %d lost, %v", len(all), lost, err)
	}
}
