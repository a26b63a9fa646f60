package reliability_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// kindOfLink is a link of each kind of socket: on a's side the rest of its line in the file, on b's a VTEP of the kernel.
type kindOfLink struct {
	name, words string
	far         lab.KernelVXLAN
}

func kindsOfLinks(dev string) []kindOfLink {
	own, far, group := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("239.1.1.1")
	near6, far6 := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("fe80::2")
	return []kindOfLink{
		{"a group", "local: 192.0.2.1, group: 239.1.1.1, dev: " + dev, lab.KernelVXLAN{Local: far, Group: group}},
		{"link-local", "local: 'fe80::1', remotes: ['fe80::2'], dev: " + dev, lab.KernelVXLAN{Local: far6, Remote: near6}},
		{"every address", "remotes: [192.0.2.2]", lab.KernelVXLAN{Local: far, Remote: own}},
		{"an address beside that, and min_ttl", "local: 192.0.2.1, remotes: [192.0.2.2], min_ttl: 64", lab.KernelVXLAN{Local: far, Remote: own, TTL: 64}},
	}
}

// TestTakeOverOfEveryKind: sockets of each kind are handed over without the loss of a frame, twice: of a group, of a
// link-local address, of every address, and of one address beside that, whose packets tell their TTL.
func TestTakeOverOfEveryKind(t *testing.T) {
	lab.NeedKernelVXLAN(t)
	l := lab.ForTest(t)
	a, b := must(l.Host("a"))(t), must(l.Host("b"))(t)
	w := must(l.Wire(a, b, lab.WireOptions{}))(t)
	check(t, a.AddAddr(w.A, prefix("192.0.2.1/24"), prefix("fe80::1/64")), b.AddAddr(w.B, prefix("192.0.2.2/24"), prefix("fe80::2/64")))
	kinds := kindsOfLinks(w.A)
	file := "links:\n"
	for i, k := range kinds {
		file += fmt.Sprintf("  - {name: vxlan%d, id: %d, mtu: 1400, %s}\n", i, 42+i, k.words)
		k.far.Name, k.far.VNI, k.far.Dev = fmt.Sprint("vxlan", i), uint32(42+i), w.B
		check(t, b.AddKernelVXLAN(k.far), b.SetMTU(k.far.Name, 1400), b.AddAddr(k.far.Name, innerOf(i, 2)))
	}
	path := filepath.Join(t.TempDir(), "uvtep.yaml")
	check(t, os.WriteFile(path, []byte(file), 0o600))
	d := start(t, a, "--config", path)
	for i := range kinds {
		name := fmt.Sprint("vxlan", i)
		check(t, a.SetUp(name, true), a.AddAddr(name, innerOf(i, 1)), a.MustReach(innerOf(i, 2).Addr(), 56, soon))
	}
	until := make(chan struct{})
	counts := make([]lab.UDPCount, 2*len(kinds))
	var all sync.WaitGroup
	for i := range counts {
		from, to, n := a, b, 2
		if i%2 == 1 {
			from, to, n = to, from, 1
		}
		all.Go(func() {
			var err error
			counts[i], err = lab.UDPAtRate(t.Context(), lab.RateConfig{
				From: from, To: to, Dst: innerOf(i/2, n).Addr(), Size: 200, Rate: 200, Duration: 2 * time.Minute, Until: until,
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	end := sync.OnceFunc(func() {
		close(until)
		all.Wait()
	})
	defer end()
	for range 2 {
		old := d.proc
		d.next(t, "--config", path, "--take-over")
		if err := old.Wait(soon); err != nil {
			t.Fatalf("the old daemon: %v\n%s", err, old.Stderr())
		}
		if log := d.proc.Stderr(); strings.Contains(log, "opened anew") || strings.Contains(log, "not used any more") {
			t.Errorf("not everything was taken over:\n%s", log)
		}
		time.Sleep(200 * time.Millisecond) // frames afterwards: no condition is waited for
	}
	end()
	for i, n := range counts {
		if n.Lost() > 0 || n.SendErrors > 0 || n.Duplicated+n.Corrupt > 0 || n.Sent < 50 {
			t.Errorf("%s, %s: %v, %d lost", kinds[i/2].name, []string{"forth", "back"}[i%2], n, n.Lost())
		}
	}
	t.Log(counts)
}

// innerOf is host n's address on link i.
func innerOf(i, n int) netip.Prefix { return prefix("198.51.%d.%d/24", 100+i, n) }
