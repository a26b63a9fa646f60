package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
)

// TestAdvice: there is advice for each drop reason and each trouble, and for nothing else.
func TestAdvice(t *testing.T) {
	reasons := forward.DropReasons()
	for _, r := range reasons {
		if adviceOf[r.String()] == "" {
			t.Errorf("no advice for %s", r)
		}
	}
	if len(adviceOf) != len(reasons) {
		t.Errorf("advice for %d reasons, there are %d", len(adviceOf), len(reasons))
	}
	for k := vtep.RouteLoops; k <= vtep.OtherICMP; k++ {
		if troubleAdvice[k.String()] == "" {
			t.Errorf("no advice for %s", k)
		}
	}
}

// TestDropsPage holds docs/drops.md to the list of reasons and to the advice: a row each, in packet order.
func TestDropsPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/drops.md")
	if err != nil {
		t.Fatal(err)
	}
	var have, want []string
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| `") {
			have = append(have, line)
		}
	}
	for _, r := range forward.DropReasons() {
		want = append(want, fmt.Sprintf("| `%s` | %s | %s |\n", r, r.About(), AdviceOnDrop(r.String())))
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("the code (-) and the rows of docs/drops.md (+):\n%s", diff)
	}
}

// healthy is a daemon that does well: 500 frames a second each way.
func healthy() (before, now Snapshot) {
	look := func(at int64, n uint64) Snapshot {
		return Snapshot{
			At: time.Unix(at, 0), Version: "v1.2.3", Stats: api.Stats{Addresses: 3, MaxAddress: 1048576},
			Links: []api.Link{{
				Spec: api.LinkSpec{
					Name: "vxlan0", ID: new(uint32(42)), Local: new(netip.MustParseAddr("192.0.2.1")), DstPort: new(uint16(4789)),
					MaxAddress: new(api.Value("16384")),
				},
				Netdev: api.Netdev{Name: "vxlan0", MTU: 1450, Flags: []string{"UP"}}, MTUSource: "route", Entries: 4, Addresses: 3,
				Offload: api.Offload{
					TAP: api.TAPOffload{Read: []string{"tso"}, Write: []string{"tso"}}, UDPGSO: api.UDPGSO{Segments: 64},
					UDPGRO: api.UDPGRO{Reason: "off for ten minutes"}, Filter: api.Filter{On: true},
				},
				Stats: api.LinkStats{Rx: api.Counts{Packets: n, Bytes: 1000 * n}, Tx: api.Counts{Packets: n, Bytes: 100 * n}},
				Remotes: []api.RemoteStats{{
					Dst: netip.MustParseAddr("192.0.2.2"), Configured: true, Entries: 2, Heard: new(uint32(0)),
					Rx: api.Counts{Packets: n, Bytes: 1000 * n}, Tx: api.Counts{Packets: n, Bytes: 100 * n},
				}},
			}},
		}
	}
	return look(100, 10000), look(102, 11000)
}

func text(r *Report) string {
	var b strings.Builder
	_ = r.WriteText(&b)
	return b.String()
}

func TestHealthy(t *testing.T) {
	before, now := healthy()
	r := New(&before, &now)
	want := `uvtep v1.2.3  links 1  addresses 3/1048576
vxlan0  up  id 42  dstport 4789  local 192.0.2.1  mtu 1450 (route)  fdb 3/16384
                           rx 500p/s 4Mb/s              tx 500p/s 400kb/s
  192.0.2.2                rx 500p/s 4Mb/s              tx 500p/s 400kb/s            fdb 2  heard 0s ago
  offloads tap udp-gso filter  not udp-gro (off for ten minutes)
healthy: nothing is to be done
`
	if diff := cmp.Diff(want, text(r)); r.Verdict != Healthy || diff != "" {
		t.Errorf("%s: %s", r.Verdict, diff)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

// TestFaults: each fault is the first finding, with what to do.
func TestFaults(t *testing.T) {
	type looks struct{ before, now *Snapshot }
	link := func(l looks) *api.Link { return &l.now.Links[0] }
	drop := func(reason string, was, is uint64) func(looks) {
		return func(l looks) {
			l.before.Links[0].Stats.Drops = map[string]uint64{reason: was}
			l.now.Links[0].Stats.Drops = map[string]uint64{reason: is}
		}
	}
	silent := func(l looks, heard *uint32) {
		r := &link(l).Remotes[0]
		r.Heard = heard
	}
	for name, tt := range map[string]struct {
		make func(looks)
		want string
	}{
		"not complete": {func(l looks) { link(l).Missing = "no device eth7" }, "degraded: vxlan0: the link is not complete: no device eth7: "},
		"down":         {func(l looks) { link(l).Netdev.Flags = nil }, "degraded: vxlan0: the link is down: bring it up: uvtep link set vxlan0 up"},
		"nobody listens": {func(l looks) {
			link(l).Trouble = []api.Trouble{{Dst: netip.MustParseAddr("192.0.2.2"), Port: 4789, What: "port-unreachable", Now: true}}
		}, "degraded: vxlan0: remote 192.0.2.2 port 4789: port-unreachable: start the VTEP there"},
		"an entry to where nobody listens": {func(l looks) {
			drop("rx-static-mac", 3, 4)(l)
			link(l).Trouble = []api.Trouble{{Dst: netip.MustParseAddr("192.0.2.3"), Port: 4789, What: "port-unreachable", Now: true}}
		}, "degraded: vxlan0: drops rx-static-mac: 1 a second, 4 since the start: an entry says"},
		"drops now":      {drop("rx-not-peer", 3, 7), "degraded: vxlan0: drops rx-not-peer: 2 a second, 7 since the start: add the sender"},
		"drops one":      {drop("rx-static-mac", 3, 4), "degraded: vxlan0: drops rx-static-mac: 1 a second, 4 since the start: an entry says"},
		"dropped many":   {drop("tx-too-big", 200, 200), "degraded: vxlan0: dropped tx-too-big: 200 since the start: make the link's MTU fit"},
		"no remote":      {func(l looks) { link(l).Remotes = nil }, "degraded: vxlan0: the link has no remote: "},
		"no VTEP":        {func(l looks) { link(l).Remotes, link(l).Spec.EVPN = nil, new(true) }, "degraded: vxlan0: the link has no remote: the fabric has it"},
		"never heard":    {func(l looks) { silent(l, nil) }, "degraded: vxlan0: remote 192.0.2.2 was sent 11000 frames and never heard: uvtep ping 192.0.2.2 dev vxlan0"},
		"silent":         {func(l looks) { silent(l, new(uint32(31))) }, "degraded: vxlan0: remote 192.0.2.2 is sent frames and was last heard 31 s ago: "},
		"full FDB":       {func(l looks) { link(l).Addresses = 16384 }, "degraded: vxlan0: the FDB has 16384 of 16384 entries: raise maxaddress"},
		"not learned":    {func(l looks) { link(l).Stats.NotLearned = 1 }, "degraded: vxlan0: frames are delivered and not learned: "},
		"full daemon":    {func(l looks) { l.now.Stats.Addresses = 1048576 }, "degraded: all links together have 1048576 of 1048576 addresses: "},
		"own fault":      {func(l looks) { l.now.Stats.Panics = 1 }, "degraded: uvtep has caught 1 faults of its own: "},
		"unknown VNI":    {func(l looks) { l.now.Stats.Drops = map[string]uint64{"rx-unknown-vni": 4} }, "degraded: drops rx-unknown-vni: 2 a second, 4 since the start: compare the VNI"},
		"no link at all": {func(l looks) { l.now.Links = nil }, "degraded: the daemon has no link: "},
		"reload": {func(l looks) {
			l.now.Stats.Reload = &api.FailedReload{File: "/etc/uvtep/uvtep.yaml", Seconds: 90, Error: "line 3: no"}
		}, "degraded: /etc/uvtep/uvtep.yaml was not applied 90 s ago: line 3: no: correct it, and uvtep config apply"},
		"a session is down": {func(l looks) {
			l.now.EVPN = &EVPN{Neighbours: []Neighbour{
				{Address: netip.MustParseAddr("203.0.113.1"), State: "Established", Routes: 7},
				{Address: netip.MustParseAddr("203.0.113.2"), State: "Active", LastError: "hold timer\x1b[0m expired"},
			}}
		}, "degraded: EVPN neighbor 203.0.113.2 is not established: hold timer?[0m expired: see whether it runs"},
		"no agent answers": {func(l looks) { l.now.EVPN = &EVPN{Err: errors.New("timeout")} }, "degraded: the EVPN agent does not answer: timeout: "},
		"port": {func(l looks) {
			l.now.Ports = []api.Port{{Spec: api.PortSpec{Name: "trunk0"}, Drops: map[string]uint64{"tx-unknown-vlan": 9}}}
		}, "degraded: trunk0: drops tx-unknown-vlan: 4 a second"},
	} {
		before, now := healthy()
		tt.make(looks{&before, &now})
		r := New(&before, &now)
		lines := strings.Split(strings.TrimSuffix(text(r), "\n"), "\n")
		if last := lines[len(lines)-1]; r.Verdict != Degraded || !strings.HasPrefix(last, tt.want) {
			t.Errorf("%s: the last line is\n%s\nwant\n%s", name, last, tt.want)
		}
	}
}

// TestNoFault: what may look like a fault and is none.
func TestNoFault(t *testing.T) {
	for name, change := range map[string]func(before, now *api.Link){
		"few drops long ago":      func(b, n *api.Link) { b.Stats.Drops = map[string]uint64{"rx-ecn": 9}; n.Stats.Drops = b.Stats.Drops },
		"a hundredth of all":      func(b, n *api.Link) { b.Stats.Drops = map[string]uint64{"rx-ecn": 100}; n.Stats.Drops = b.Stats.Drops },
		"a trouble that is over":  func(_, n *api.Link) { n.Trouble = []api.Trouble{{What: "loop"}} },
		"a remote that just came": func(_, n *api.Link) { n.Remotes[0].Heard, n.Remotes[0].Tx.Packets = nil, 3 },
		"a group": func(_, n *api.Link) {
			n.Remotes[0].Dst, n.Remotes[0].Heard = netip.MustParseAddr("239.1.1.1"), nil
		},
		"silence of who is not sent to": func(b, n *api.Link) { n.Remotes[0].Heard, n.Remotes[0].Tx = new(uint32(99)), b.Remotes[0].Tx },
		"silence of who is flooded to":  func(_, n *api.Link) { n.Remotes[0].Heard, n.Remotes[0].Entries = new(uint32(99)), 1 },
		"a link that was added again":   func(b, _ *api.Link) { b.Stats.Rx.Packets, b.Stats.NotLearned = 1<<40, 0 },
	} {
		before, now := healthy()
		change(&before.Links[0], &now.Links[0])
		if r := New(&before, &now); r.Verdict != Healthy {
			t.Errorf("%s: %v", name, r.Findings)
		}
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.5: "0.5", 999: "999", 1000: "1k", 1234: "1.2k", 34e6: "34M", 5.5e13: "55T"} {
		if got := Short(v); got != want {
			t.Errorf("%v is %s, want %s", v, got, want)
		}
	}
}

// TestAgentRefuses: that who asks for the status may not ask the agent is no fault of the daemon's.
func TestAgentRefuses(t *testing.T) {
	e := &EVPN{Err: &fs.PathError{Op: "dial", Path: "evpn.sock", Err: fs.ErrPermission}}
	if all := e.judge(); len(all) > 0 {
		t.Errorf("%v", all)
	}
}
