package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/test/load"
)

// benchmarkGrowth measures one active link while others, or FDB entries, are
// there and do nothing: both hosts have them. The ratio is to the fewest.
func (h *harness) benchmarkGrowth(b *testing.B) {
	links, entries, remotes := []int{1, 64, 1024, 4094}, []int{1000, 100_000, 1_000_000}, []int{1, 1000}
	if testing.Short() {
		links, entries, remotes = links[:2], entries[:2], remotes[:1]
	}
	for _, of := range []struct {
		name   string
		counts []int
		words  []string
		grow   func(p *pair, i, n int) error
	}{
		{"links", links, nil, growLinks},
		{"fdb", entries, []string{"maxaddress", "unlimited", "ageing", "3600"}, growFDB},
		{"remotes", remotes, nil, growRemotes},
	} {
		b.Run(of.name, func(b *testing.B) {
			g := h.group("as-is")
			defer g.close(b)
			var systems []system
			for _, n := range of.counts {
				s := daemon(fmt.Sprintf("uvtep-%d", n), h.exe, nil, of.words)
				s.prepare = func(p *pair) error { return grow(p, n, of.grow) }
				systems = append(systems, s)
			}
			reference := systems[0].name
			h.row(b, "TCP", reference, g.contestants(h.tcp(1, false), systems...))
			h.row(b, "UDP-64B", reference, g.contestants(h.udp(load.FloodConfig{Sizes: []int{payload(64)}}), systems...))
			h.row(b, "RSS", "", g.contestants(func(p *pair) ([]figure, error) {
				kib, err := resident(p.daemons[0])
				return []figure{
					{unit: "MiB", value: kib / 1024, less: true},
					{suffix: "growth", unit: "MiB", value: (kib - p.bare) / 1024, less: true},
					{suffix: "each", unit: "KiB", value: (kib - p.bare) / float64(p.count), less: true},
				}, err
			}, systems...))
		})
	}
}

// grow notes the memory of a's daemon before it gives both daemons n of something.
func grow(p *pair, n int, f func(p *pair, i, n int) error) (err error) {
	p.count = n
	if p.bare, err = resident(p.daemons[0]); err != nil {
		return err
	}
	return errors.Join(f(p, 0, n), f(p, 1, n))
}

// idlePrefix begins the names of growLinks' devices.
const idlePrefix = "idle"

// growLinks adds links until there are n, all up.
func growLinks(p *pair, i, n int) error {
	up := true
	for k := 1; k < n; k++ {
		id, local, remote := uint32(1000+k), addrA, addrB
		if i == 1 {
			local, remote = addrB, addrA
		}
		name := fmt.Sprint(idlePrefix, k)
		if err := p.controls[i].AddLink(context.Background(), api.LinkChange{
			LinkSpec: api.LinkSpec{Name: name, ID: &id, Local: &local, Remote: &remote}, Up: &up,
		}); err != nil {
			return fmt.Errorf("link %d: %w", k, err)
		}
	}
	return nil
}

// growFDB lets a daemon learn n MACs from packets that its peer's host sends:
// that is how a table gets so large, and faster than the control API, which
// takes one entry a request. Packets may be lost, so it sends them again.
func growFDB(p *pair, i, n int) error {
	from, to := p.b, addrA
	if i == 1 {
		from, to = p.a, addrB
	}
	have := 0
	for range 20 {
		if err := load.Stations(from, netip.AddrPortFrom(to, 4789), 42, 0, n); err != nil {
			return err
		}
		err := lab.Eventually(time.Second, func() (err error) { // the daemon reads on after the last was sent
			have, err = p.entries(i)
			if err == nil && have < n {
				err = fmt.Errorf("%d of %d MACs are in the FDB", have, n)
			}
			return err
		})
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("%d of %d MACs were learned", have, n)
}

// growRemotes gives the flood list n remotes in all. Nothing has their
// addresses: the few broadcasts of the traffic end at the peer's host.
func growRemotes(p *pair, i, n int) error {
	host, via := p.a, addrB
	if i == 1 {
		host, via = p.b, addrA
	}
	if err := host.AddRoute(lab.Route{Dst: remoteNet, Via: via}); err != nil {
		return err
	}
	remote := remoteNet.Addr()
	for range n - 1 {
		remote = remote.Next()
		err := p.controls[i].ChangeFDB(context.Background(), "append", api.FDBEntry{Dev: "vxlan0", MAC: allZeros, Dst: remote})
		if err != nil {
			return err
		}
	}
	return nil
}

// resident returns the resident memory of a process in KiB.
func resident(p *lab.Process) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.Pid()))
	if err != nil {
		return 0, err
	}
	return parseResident(string(b))
}

func parseResident(rollup string) (float64, error) {
	for line := range strings.Lines(rollup) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "Rss:" {
			return strconv.ParseFloat(f[1], 64)
		}
	}
	return 0, fmt.Errorf("no Rss in %q", rollup)
}
