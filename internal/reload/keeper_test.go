package reload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/internal/config"
	"github.com/uvtep/uvtep/internal/names"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// rig is a VTEP in memory that a Keeper keeps.
type rig struct {
	*Keeper
	t    *testing.T
	vtep *vtep.VTEP
	host *vteptest.Host
	dns  *nameServer
}

// nameServer answers from a table: addresses, with spaces between, by name.
type nameServer struct {
	mu      sync.Mutex
	records map[string]string
	fails   bool
	asked   int
}

func (s *nameServer) Lookup(_ context.Context, all []string) []names.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	answers := make([]names.Answer, len(all))
	for i, name := range all {
		s.asked++
		answers[i] = names.Answer{Name: name, Holds: 10 * time.Second}
		if s.fails {
			answers[i].IPv4.Err, answers[i].IPv6.Err = errors.New("no answer"), errors.New("no answer")
		}
		for text := range strings.FieldsSeq(s.records[name]) {
			a := netip.MustParseAddr(text)
			if a.Is4() {
				answers[i].IPv4.Addrs = append(answers[i].IPv4.Addrs, a)
			} else {
				answers[i].IPv6.Addrs = append(answers[i].IPv6.Addrs, a)
			}
		}
	}
	return answers
}

func (s *nameServer) set(name, addrs string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[name] = addrs
}

func (s *nameServer) fail(fails bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = fails
}

func (s *nameServer) times() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func bubble(t *testing.T, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		host := vteptest.NewNetwork().Host(netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8:1::1"))
		log := slog.New(slog.DiscardHandler)
		r := &rig{t: t, host: host, dns: &nameServer{records: map[string]string{}}}
		r.vtep = vtep.New(vtep.Config{Host: host, Log: log, Workers: 1})
		keeper := New(r.vtep, r.dns, log)
		r.Keeper = keeper
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		wait.Go(func() { _ = r.vtep.Run(ctx) })
		wait.Go(func() { _ = keeper.Run(ctx) })
		defer wait.Wait()
		defer cancel()
		f(r)
	})
}

// file reads links as a configuration file has them.
func (r *rig) file(links string) *config.File {
	r.t.Helper()
	name := filepath.Join(r.t.TempDir(), "f.yaml")
	if err := os.WriteFile(name, []byte("links:\n"+links), 0o600); err != nil {
		r.t.Fatal(err)
	}
	f, err := config.ReadFile(name)
	if err != nil {
		r.t.Fatal(err)
	}
	return f
}

func (r *rig) load(links string) {
	r.t.Helper()
	if err := r.Load(r.file(links)); err != nil {
		r.t.Fatal(err)
	}
}

// state is what the VTEP has: a line a link, its entries behind it.
func (r *rig) state() []string {
	r.t.Helper()
	var lines []string
	for _, l := range r.vtep.Links() {
		line := fmt.Sprintf("%s %d ttl %d", l.Name, l.Config.VNI, l.Config.TTL)
		if !l.Up {
			line += " down"
		}
		entries, err := r.vtep.FDB(vtep.FDBFilter{Link: l.Name})
		if err != nil {
			r.t.Fatal(err)
		}
		var all []string
		for _, e := range entries {
			text := ", " + e.MAC.String()[15:] + " " + e.Remote.Addr.String()
			if e.State != fdb.Permanent {
				text += " " + e.State.String()
			}
			if e.Remote.Via != "" {
				text += " via " + e.Remote.Via
			}
			if l.Config.Remote == e.Remote.Addr && e.MAC.IsZero() {
				text += "*"
			}
			all = append(all, text)
		}
		slices.Sort(all)
		lines = append(lines, line+strings.Join(all, ""))
	}
	slices.Sort(lines)
	return lines
}

func (r *rig) want(what string, lines ...string) {
	r.t.Helper()
	if d := cmp.Diff(lines, r.state()); d != "" {
		r.t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func mac(n byte) encap.MAC { return encap.MAC{2, 0, 0, 0, 0, n} }

func TestLoad(t *testing.T) {
	bubble(t, func(r *rig) {
		r.load(`
  - {name: a, id: 1, remotes: [192.0.2.2, 192.0.2.3], dev: eth0}
  - {name: b, id: 2, remote: 192.0.2.2, up: false, fdb: [{mac: "02:00:00:00:00:07", dst: 192.0.2.7, state: static}]}
  - {name: c, id: 3}
`)
		r.want("first", "a 1 ttl 0, 00 192.0.2.2 via eth0*, 00 192.0.2.3 via eth0", "b 2 ttl 0 down, 00 192.0.2.2*, 07 192.0.2.7 static", "c 3 ttl 0")
		index := r.vtep.Links()[0].Index
		// Through the API: an entry, a setting, a link.
		must(t, r.vtep.FDBAdd(vtep.FDBEntry{Link: "a", MAC: mac(9), Remote: vtep.Remote{Addr: netip.MustParseAddr("192.0.2.9")}, State: fdb.Permanent}))
		must(t, r.vtep.FDBAdd(vtep.FDBEntry{Link: "b", MAC: mac(8), Remote: vtep.Remote{Addr: netip.MustParseAddr("192.0.2.9")}, State: fdb.Permanent}))
		must(t, r.vtep.UpdateLink("a", func(c *vtep.LinkConfig) error { c.TTL = 9; return nil }))
		must(t, r.vtep.AddLink(vtep.LinkConfig{Name: "z", VNI: 26}))
		r.load(`
  - {name: a, id: 1, remotes: [192.0.2.2, 192.0.2.4], dev: eth0}
  - {name: b, id: 2, remote: 192.0.2.2, ttl: 5, fdb: [{mac: "02:00:00:00:00:07", dst: 192.0.2.8}, {mac: "02:00:00:00:00:06", dst: 192.0.2.6}]}
  - {name: d, id: 4}
`)
		r.want("second", "a 1 ttl 9, 00 192.0.2.2 via eth0*, 00 192.0.2.4 via eth0, 09 192.0.2.9",
			"b 2 ttl 5, 00 192.0.2.2*, 06 192.0.2.6, 07 192.0.2.8, 08 192.0.2.9", "d 4 ttl 0", "z 26 ttl 0 down")
		if r.vtep.Links()[0].Index != index {
			t.Error("a is another device")
		}
		// The default remote becomes another one, and one of the list the default.
		r.load(`
  - {name: a, id: 1, remotes: [192.0.2.4, 192.0.2.2], dev: eth0}
  - {name: b, id: 2, ttl: 5}
`)
		r.want("third", "a 1 ttl 9, 00 192.0.2.2 via eth0, 00 192.0.2.4 via eth0*, 09 192.0.2.9",
			"b 2 ttl 5, 08 192.0.2.9", "z 26 ttl 0 down")
		r.load("\n  - {name: a, id: 1, remotes: [192.0.2.4], dev: eth0}\n  - {name: b, id: 2, ttl: 5}\n")
		r.want("fourth", "a 1 ttl 9, 00 192.0.2.4 via eth0*, 09 192.0.2.9", "b 2 ttl 5, 08 192.0.2.9", "z 26 ttl 0 down")
	})
}

// TestLoadAnew: VNIs that change places, and a link that was deleted.
func TestLoadAnew(t *testing.T) {
	bubble(t, func(r *rig) {
		r.load("  - {name: a, id: 1, remote: 192.0.2.2}\n  - {name: b, id: 2, remote: 192.0.2.2}\n")
		r.load("  - {name: a, id: 2, remote: 192.0.2.2}\n  - {name: b, id: 1, remote: 192.0.2.2}\n")
		r.want("changed places", "a 2 ttl 0, 00 192.0.2.2*", "b 1 ttl 0, 00 192.0.2.2*")
		must(t, r.vtep.DelLink("a"))
		r.load("  - {name: a, id: 2, remote: 192.0.2.2}\n  - {name: b, id: 1, remote: '2001:db8:1::2'}\n")
		r.want("another family", "a 2 ttl 0, 00 192.0.2.2*", "b 1 ttl 0, 00 2001:db8:1::2*")
		r.load("  - {name: c, id: 1, remote: 192.0.2.2}\n  - {name: d, id: 2, remote: 192.0.2.2}\n")
		r.want("other names", "c 1 ttl 0, 00 192.0.2.2*", "d 2 ttl 0, 00 192.0.2.2*")
		// Somebody made a link that the file comes to have.
		must(t, r.vtep.AddLink(vtep.LinkConfig{Name: "e", VNI: 5, TTL: 3}))
		r.load("  - {name: e, id: 5, remote: 192.0.2.2, fdb: [{mac: '01:00:5e:00:00:01', dst: 192.0.2.3}]}\n")
		r.want("taken over", "e 5 ttl 3, 00 192.0.2.2*, 01 192.0.2.3")
		r.load("  - {name: e, id: 5, remote: 192.0.2.2, fdb: [{mac: '01:00:5e:00:00:01', dst: 192.0.2.3, state: static}]}\n")
		r.want("a group's other state", "e 5 ttl 3, 00 192.0.2.2*, 01 192.0.2.3 static")
	})
}

// TestLoadRenamed: a link that somebody renamed has the file's name again, and is
// the same device; where the file renames it too, it stays.
func TestLoadRenamed(t *testing.T) {
	bubble(t, func(r *rig) {
		one := "  - {name: a, id: 1, remote: 192.0.2.2}\n"
		r.load(one)
		index := r.vtep.Links()[0].Index
		rename := func(was, is string) {
			t.Helper()
			must(t, r.vtep.UpdateLink(was, func(c *vtep.LinkConfig) error { c.Name = is; return nil }))
		}
		rename("a", "z")
		r.load(one)
		r.want("named back", "a 1 ttl 0, 00 192.0.2.2*")
		rename("a", "z")
		r.load("  - {name: z, id: 1, remote: 192.0.2.2, ttl: 5}\n")
		r.want("renamed in the file, too", "z 1 ttl 5, 00 192.0.2.2*")
		if is := r.vtep.Links()[0].Index; is != index {
			t.Errorf("another device: index %d, was %d", is, index)
		}
		rename("z", "y")
		r.load("  - {name: b, id: 2}\n")
		r.want("gone from the file", "b 2 ttl 0")
		rename("b", "y")
		must(t, r.vtep.AddLink(vtep.LinkConfig{Name: "b", VNI: 7}))
		if err := r.Load(r.file("  - {name: c, id: 3}\n  - {name: b, id: 7}\n")); err != nil {
			t.Error(err)
		}
	})
}

// TestLoadRefused: what the host refuses is told with its place, the rest is
// done, and tried again.
func TestLoadRefused(t *testing.T) {
	bubble(t, func(r *rig) {
		r.load("  - {name: a, id: 1, remote: 192.0.2.2}\n")
		f := r.file("  - {name: a, id: 1, remote: 192.0.2.2, dev: nope}\n  - {name: b, id: 2, dev: nope}\n  - {name: c, id: 3, fdb: [{mac: '02:00:00:00:00:01', dst: 192.0.2.2, via: nope}]}\n")
		err := r.Load(f)
		for _, text := range []string{"f.yaml:2:12: link a: ", "f.yaml:3:12: link b: ", "f.yaml:4:12: link c: fdb 02:00:00:00:00:01: ", "nope"} {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%v, want %q in it", err, text)
			}
		}
		r.want("refused", "a 1 ttl 0, 00 192.0.2.2*", "c 3 ttl 0")
		if again := r.Load(f); again == nil || again.Error() != err.Error() {
			t.Errorf("the second time: %v", again)
		}
		// An id's change that cannot be: the link that there was stays.
		if err := r.Load(r.file("  - {name: a, id: 7, remote: 192.0.2.2, dev: nope}\n")); err == nil {
			t.Error("taken")
		}
		r.want("not anew", "a 1 ttl 0, 00 192.0.2.2*")
		r.load("  - {name: a, id: 1, remote: 192.0.2.2}\n")
		r.want("back", "a 1 ttl 0, 00 192.0.2.2*")
	})
}

func TestNames(t *testing.T) {
	bubble(t, func(r *rig) {
		r.dns.set("p.example.net", "192.0.2.2 192.0.2.3 2001:db8:1::2")
		r.load("  - {name: a, id: 1, remotes: [192.0.2.9, p.example.net]}\n  - {name: b, id: 2, remote: p.example.net}\n  - {name: c, id: 3, remote: q.example.net}\n  - {name: d, id: 4, remotes: [p.example.net], local: '2001:db8:1::1'}\n")
		synctest.Wait()
		r.want("at the start", "a 1 ttl 0, 00 192.0.2.2, 00 192.0.2.3, 00 192.0.2.9*", "b 2 ttl 0, 00 192.0.2.2*, 00 192.0.2.3", "c 3 ttl 0", "d 4 ttl 0, 00 2001:db8:1::2*")
		r.dns.set("p.example.net", "192.0.2.3 192.0.2.4")
		r.dns.set("q.example.net", "2001:db8:1::2")
		r.want("before its TTL", "a 1 ttl 0, 00 192.0.2.2, 00 192.0.2.3, 00 192.0.2.9*", "b 2 ttl 0, 00 192.0.2.2*, 00 192.0.2.3", "c 3 ttl 0", "d 4 ttl 0, 00 2001:db8:1::2*")
		r.after(11 * time.Second)
		r.want("after its TTL", "a 1 ttl 0, 00 192.0.2.3, 00 192.0.2.4, 00 192.0.2.9*", "b 2 ttl 0, 00 192.0.2.3*, 00 192.0.2.4", "c 3 ttl 0, 00 2001:db8:1::2*", "d 4 ttl 0")
		// The default one stays while the name has it.
		r.dns.set("p.example.net", "192.0.2.2 192.0.2.3")
		r.after(11 * time.Second)
		r.want("again", "a 1 ttl 0, 00 192.0.2.2, 00 192.0.2.3, 00 192.0.2.9*", "b 2 ttl 0, 00 192.0.2.2, 00 192.0.2.3*", "c 3 ttl 0, 00 2001:db8:1::2*", "d 4 ttl 0")
		// A server that fails takes nothing away; one that says there is nothing does.
		r.dns.set("p.example.net", "")
		r.dns.fail(true)
		r.after(11 * time.Second)
		r.want("failing", "a 1 ttl 0, 00 192.0.2.2, 00 192.0.2.3, 00 192.0.2.9*", "b 2 ttl 0, 00 192.0.2.2, 00 192.0.2.3*", "c 3 ttl 0, 00 2001:db8:1::2*", "d 4 ttl 0")
		r.dns.fail(false)
		r.after(11 * time.Second)
		r.want("gone", "a 1 ttl 0, 00 192.0.2.9*", "b 2 ttl 0", "c 3 ttl 0, 00 2001:db8:1::2*", "d 4 ttl 0")
		// What is no host's address is no remote.
		r.dns.set("p.example.net", "0.0.0.0 239.1.1.1 255.255.255.255 fe80::1 192.0.2.5")
		r.after(11 * time.Second)
		r.want("odd", "a 1 ttl 0, 00 192.0.2.5, 00 192.0.2.9*", "b 2 ttl 0, 00 192.0.2.5*", "c 3 ttl 0, 00 2001:db8:1::2*", "d 4 ttl 0")
		// A link that somebody deleted is not made again by a name.
		must(t, r.vtep.DelLink("b"))
		r.dns.set("p.example.net", "192.0.2.6")
		r.after(11 * time.Second)
		r.want("deleted", "a 1 ttl 0, 00 192.0.2.6, 00 192.0.2.9*", "c 3 ttl 0, 00 2001:db8:1::2*", "d 4 ttl 0")
		// Nobody asks for a name that the file has no more.
		r.load("  - {name: a, id: 1, remotes: [192.0.2.9]}\n")
		r.want("without names", "a 1 ttl 0, 00 192.0.2.9*")
		before := r.dns.times()
		r.after(time.Minute)
		if n := r.dns.times() - before; n != 0 {
			t.Errorf("asked %d times for names that are not in the file", n)
		}
	})
}

// after lets time pass and the VTEP do what it does in it.
func (r *rig) after(d time.Duration) {
	time.Sleep(d) // of the bubble's clock
	synctest.Wait()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestDiffOfSame: a file that is read again asks for nothing, whatever is in it.
func TestDiffOfSame(t *testing.T) {
	bubble(t, func(r *rig) {
		f := r.file("  - {name: a, id: 1, remotes: [192.0.2.2, 192.0.2.3], accept: [192.0.2.0/24, 198.51.100.0/24], fdb: [{mac: '00:00:00:00:00:00', dst: 192.0.2.3, vni: 5}, {mac: '02:00:00:00:00:01', dst: 192.0.2.3, vni: 5}]}\n")
		is, err := linkOf(&f.Links[0], nil, netip.Addr{})
		must(t, err)
		again, err := linkOf(&f.Links[0], nil, netip.Addr{})
		must(t, err)
		if d := diff(&is, &again); !d.empty() {
			t.Errorf("%+v", d)
		}
	})
}
