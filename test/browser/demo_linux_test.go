package browser_test

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/web"
)

// demo is a daemon of a fabric that is not there: its counters grow evenly, so that the page shows the same rates
// whenever it is looked at.
type demo struct{ links []demoLink }

type demoLink struct {
	name    string
	id      uint32
	remotes []demoRemote
	drops   map[string]float64 // a second
	entries int                // of the FDB, for each remote
	owner   string             // of them
	evpn    bool
}

type demoRemote struct {
	dst    string
	rx, tx float64 // bits a second
	heard  *uint32
}

// began is when the demo began: counters are those of an hour and more.
var began = time.Now().Add(-time.Hour)

// grown is a counter that grows by so much a second.
func grown(rate float64) uint64 { return uint64(rate * time.Since(began).Seconds()) }

func counts(bits float64) api.Counts {
	return api.Counts{Bytes: grown(bits / 8), Packets: grown(bits / 8 / 900)}
}

func (d *demo) Links(int) []api.Link {
	var all []api.Link
	for _, l := range d.links {
		out := api.Link{
			Spec: api.LinkSpec{
				Name: l.name, ID: &l.id, Local: new(netip.MustParseAddr("192.0.2.1")), DstPort: new(uint16(4789)), MaxAddress: new(api.Value("16384")), EVPN: &l.evpn,
			},
			Netdev: api.Netdev{Name: l.name, MTU: 1450, Flags: []string{"UP"}}, MTUSource: "route", Entries: len(l.remotes) * (l.entries + 1),
			Offload: api.Offload{
				TAP: api.TAPOffload{Read: []string{"tso"}, Write: []string{"tso"}}, UDPGSO: api.UDPGSO{Segments: 64},
				UDPGRO: api.UDPGRO{Reason: "the device cannot"}, Filter: api.Filter{On: true},
			},
			Stats: api.LinkStats{Drops: map[string]uint64{}},
		}
		for _, r := range l.remotes {
			rx, tx := counts(r.rx), counts(r.tx)
			out.Remotes = append(out.Remotes, api.RemoteStats{Dst: netip.MustParseAddr(r.dst), Configured: true, Entries: l.entries + 1, Heard: r.heard, Rx: rx, Tx: tx})
			add(&out.Stats.Rx, rx)
			add(&out.Stats.Tx, tx)
		}
		for reason, rate := range l.drops {
			out.Stats.Drops[reason] = grown(rate)
			out.Stats.Rx.Dropped += grown(rate)
		}
		all = append(all, out)
	}
	return all
}

func add(sum *api.Counts, c api.Counts) {
	sum.Bytes, sum.Packets = sum.Bytes+c.Bytes, sum.Packets+c.Packets
}

func (d *demo) Stats() api.Stats {
	n := 0
	for _, l := range d.links {
		n += len(l.remotes) * l.entries
	}
	return api.Stats{Addresses: n, MaxAddress: 1 << 20}
}

func (d *demo) WalkFDB(f *api.FDBFilter, fn func(*api.FDBEntry) bool) error {
	for _, l := range d.links {
		if l.name != f.Dev {
			continue
		}
		for i, r := range l.remotes {
			for n := range l.entries {
				e := api.FDBEntry{
					Dev: l.name, MAC: fmt.Sprintf("02:00:00:00:%02x:%02x", i, n), Dst: netip.MustParseAddr(r.dst), State: api.Dynamic, Used: uint64(n % 40), Owner: l.owner,
				}
				if (f.MAC == "" || f.MAC == e.MAC) && !fn(&e) {
					return nil
				}
			}
		}
	}
	return nil
}

// newDemo is a daemon with three links, one of which has a remote that was never heard.
func newDemo() *demo {
	now, silent := new(uint32(0)), new(uint32(47))
	return &demo{links: []demoLink{
		{name: "tenant-red", id: 4201, evpn: true, entries: 40, remotes: []demoRemote{
			{"192.0.2.11", 812e6, 96e6, now}, {"192.0.2.12", 240e6, 410e6, now}, {"192.0.2.13", 31e6, 2.4e6, now}, {"192.0.2.14", 9e6, 7e6, now}, {"192.0.2.15", 1.1e6, 220e3, now}, {"192.0.2.16", 64e3, 90e3, now},
		}},
		{name: "tenant-blue", id: 4202, evpn: true, entries: 12, drops: map[string]float64{"rx-not-peer": 3.4}, remotes: []demoRemote{
			{"192.0.2.11", 18e6, 44e6, now}, {"192.0.2.12", 2.2e6, 1.9e6, now}, {"192.0.2.17", 120e6, 14e6, now}, {"192.0.2.18", 0, 12e3, silent}, {"192.0.2.19", 0, 55e3, nil},
		}},
		{name: "storage", id: 77, entries: 80, drops: map[string]float64{"tx-too-big": .002}, remotes: []demoRemote{
			{"2001:db8::1", 1.9e9, 1.2e9, now}, {"2001:db8::2", 640e6, 820e6, now}, {"2001:db8::3", 88e6, 90e6, now}, {"2001:db8::4", 3e6, 1e6, now}, {"2001:db8::5", 600e3, 2e6, now},
		}},
	}}
}

func demoEVPN(context.Context) (*web.EVPN, error) {
	return &web.EVPN{
		Neighbors: []web.EVPNNeighbor{
			{Address: netip.MustParseAddr("192.0.2.251"), AS: 65001, State: "Established", Seconds: 86500, Routes: 1240, Announced: 12},
			{Address: netip.MustParseAddr("192.0.2.252"), AS: 65001, State: "Established", Seconds: 7400, Routes: 1240, Announced: 12},
		},
		Links: []web.EVPNLink{{Name: "tenant-red", VTEPs: 6, MACs: 246, LocalMACs: 6}, {Name: "tenant-blue", VTEPs: 5, MACs: 65, LocalMACs: 5}},
	}, nil
}

// many are remotes, of which each eighth has traffic.
func many(n int) []demoRemote {
	all := make([]demoRemote, n)
	for i := range all {
		all[i] = demoRemote{dst: fmt.Sprintf("198.51.%d.%d", 100+i/250, 1+i%250), heard: new(uint32(i % 33))}
		if i%8 == 0 {
			all[i].rx, all[i].tx = float64(i%97+1)*1e5, float64(i%61+1)*1e5
		}
	}
	return all
}
