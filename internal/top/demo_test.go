package top

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/status"
)

// demo is a daemon that tests and the picture look at: three links, whose rates go up and down.
type demo struct {
	step  int
	noise *rand.Rand
	links []*api.Link
	stats api.Stats
	ports []api.Port
}

var demoStart = time.Date(2026, 11, 29, 3, 0, 0, 0, time.UTC)

func newDemo() *demo {
	d := &demo{noise: rand.New(rand.NewPCG(1, 2)), stats: api.Stats{Addresses: 14207, MaxAddress: 1048576}}
	link := func(name string, id uint32, up bool, entries int, remotes ...string) {
		l := &api.Link{
			Spec: api.LinkSpec{
				Name: name, ID: &id, Local: new(netip.MustParseAddr("192.0.2.1")), DstPort: new(uint16(4789)), MaxAddress: new(api.Value("16384")),
			},
			Netdev: api.Netdev{Name: name, MTU: 1450}, MTUSource: "route", Entries: entries, Addresses: entries,
			Offload: api.Offload{
				TAP: api.TAPOffload{Read: []string{"tso"}, Write: []string{"tso"}}, UDPGSO: api.UDPGSO{Segments: 64},
				UDPGRO: api.UDPGRO{On: true}, Filter: api.Filter{Reason: "CAP_BPF is missing"},
			},
			Stats: api.LinkStats{Drops: map[string]uint64{}},
		}
		if up {
			l.Netdev.Flags = []string{"UP"}
		}
		for i, r := range remotes {
			l.Remotes = append(l.Remotes, api.RemoteStats{Dst: netip.MustParseAddr(r), Configured: i == 0, Entries: entries / (2*i + 2), Heard: new(uint32(0))})
		}
		d.links = append(d.links, l)
	}
	link("vxlan10", 1010, true, 12400, "192.0.2.2", "192.0.2.3", "192.0.2.4", "2001:db8:4711:1:a800:ff:fe00:7")
	link("vxlan20", 1020, true, 1804, "192.0.2.2", "203.0.113.9")
	link("lab", 7, false, 3, "198.51.100.8")
	d.links[1].Remotes[1].Heard = nil
	d.links[1].Trouble = []api.Trouble{{Dst: netip.MustParseAddr("203.0.113.9"), Port: 4789, What: "port-unreachable", Count: 12, Now: true}}
	return d
}

// next is a second later.
func (d *demo) next() Look {
	d.step++
	wave := func(period, phase, low, high float64) uint64 {
		return uint64((low + (high-low)*(1+math.Sin(2*math.Pi*(float64(d.step)/period)+phase))/2) * (0.7 + 0.6*d.noise.Float64()))
	}
	move := func(l *api.Link, i int, rx, tx uint64) {
		for _, c := range []struct {
			to *api.Counts
			n  uint64
		}{{&l.Stats.Rx, rx}, {&l.Stats.Tx, tx}, {&l.Remotes[i].Rx, rx}, {&l.Remotes[i].Tx, tx}} {
			c.to.Packets += c.n
			c.to.Bytes += 900 * c.n
		}
	}
	a := d.links[0]
	move(a, 0, wave(17, 0, 40000, 120000), wave(23, 1, 9000, 30000))
	move(a, 1, wave(9, 2, 900, 5200), wave(11, 0, 700, 9000))
	move(a, 2, wave(29, 0, 0, 300), wave(31, 2, 0, 450))
	move(a, 3, 12, 12)
	if len(d.links) > 1 {
		b := d.links[1]
		move(b, 0, wave(13, 3, 2000, 22000), wave(19, 1, 300, 41000))
		move(b, 1, 0, 3)
		b.Stats.Drops["tx-too-big"] += wave(7, 2, 0, 6)
	}
	a.Stats.Drops["rx-not-peer"] += wave(15, 0, 2, 40)
	a.Stats.Drops["rx-ecn"] = 3
	d.stats.Drops = map[string]uint64{"rx-unknown-vni": 1200}
	d.ports = []api.Port{{Spec: api.PortSpec{Name: "trunk0"}, Drops: map[string]uint64{"tx-unknown-vlan": 77}}}
	s := status.Snapshot{At: demoStart.Add(time.Duration(d.step) * time.Second), Version: "v1.2.3", Stats: d.stats, Ports: d.ports}
	for _, l := range d.links {
		c := *l
		c.Remotes = append([]api.RemoteStats(nil), l.Remotes...)
		c.Stats.Drops = maps.Clone(l.Stats.Drops)
		s.Links = append(s.Links, c)
	}
	s.EVPN = &status.EVPN{Neighbours: []status.Neighbour{
		{Address: netip.MustParseAddr("203.0.113.1"), State: "Established", Routes: 14190},
		{Address: netip.MustParseAddr("203.0.113.2"), State: "Established", Routes: 14190},
	}}
	return Look{Snapshot: s}
}

// watched is a model that has seen some looks.
func watched(looks int, o Options) (*Model, *demo) {
	d, m := newDemo(), New(o)
	for range looks {
		m.Look(d.next())
	}
	return m, d
}

func usual() Options { return Options{Interval: time.Second, Colour: true, Unicode: true} }

var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

// screen is what the terminal has, without styles.
func screen(m *Model) string { return sgr.ReplaceAllString(m.View(), "") }

func keys(m *Model, all ...string) {
	for _, k := range all {
		m.Key(k)
	}
}

func typed(m *Model, s string) {
	for _, c := range s {
		m.Key(string(c))
	}
}

// has fails where the screen lacks a text.
func has(t *testing.T, m *Model, texts ...string) {
	t.Helper()
	s := screen(m)
	for _, want := range texts {
		if !strings.Contains(s, want) {
			t.Errorf("the screen lacks %q:\n%s", want, s)
		}
	}
}

func lacks(t *testing.T, m *Model, texts ...string) {
	t.Helper()
	s := screen(m)
	for _, not := range texts {
		if strings.Contains(s, not) {
			t.Errorf("the screen has %q:\n%s", not, s)
		}
	}
}

// answer has the model's question answered by an FDB of n entries.
func answer(t *testing.T, m *Model, n int) Entries {
	t.Helper()
	q, ask := m.Question(m.looked)
	if !ask {
		t.Fatal("nothing is asked of the FDB")
	}
	e := Entries{Question: q, At: m.looked}
	i := 0
	e.Err = e.Read(func() (api.FDBEntry, error) {
		if i++; i > n {
			return api.FDBEntry{}, io.EOF
		}
		return api.FDBEntry{MAC: fmt.Sprintf("02:00:00:00:%02x:%02x", i>>8, i&255), Dst: netip.MustParseAddr("192.0.2.2"), State: "dynamic", Used: uint64(i)}, nil
	})
	m.Entries(e)
	return e
}

var errBroken = errors.New("uvtep daemon is not running on /run/uvtep/uvtep.sock:\x1b[2J start one")
