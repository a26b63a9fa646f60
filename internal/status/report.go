package status

import (
	"net/netip"
	"time"

	"github.com/uvtep/uvtep/api"
)

// Snapshot is what a daemon says at a moment.
type Snapshot struct {
	At      time.Time
	Version string
	Links   []api.Link
	Ports   []api.Port
	Stats   api.Stats // of what belongs to no link
	EVPN    *EVPN     // nil: no agent runs, or none was asked
}

// Report is how a daemon does.
type Report struct {
	Version string `json:"version"`
	Verdict string `json:"verdict"` // healthy or degraded
	// Findings are what is wrong, worst first. Do says what to do about it.
	Findings []Finding `json:"findings"`
	Links    []Link    `json:"links"`
	Drops    []Drop    `json:"drops"` // of no link
	Ports    []Port    `json:"ports,omitempty"`
	EVPN     *EVPN     `json:"evpn,omitempty"`
	// Addresses is how many addresses all links hold, and MaxAddress how many they may, 0 for
	// any number.
	Addresses  int `json:"addresses"`
	MaxAddress int `json:"maxaddress"`
}

// The verdicts.
const (
	Healthy  = "healthy"
	Degraded = "degraded"
)

// Finding is something that is wrong.
type Finding struct {
	Link string `json:"link,omitempty"`
	What string `json:"what"`
	Do   string `json:"do"`
}

// Link is a link with its rates.
type Link struct {
	Name      string     `json:"name"`
	ID        uint32     `json:"id"`
	Up        bool       `json:"up"`
	MTU       int        `json:"mtu"`
	MTUSource string     `json:"mtu_source,omitempty"`
	Local     netip.Addr `json:"local,omitzero"`
	DstPort   uint16     `json:"dstport"`
	Entries   int        `json:"entries"`    // of unicast addresses, as maxaddress counts them
	MaxAddr   uint32     `json:"maxaddress"` // 0: any number
	Rx        Flow       `json:"rx"`
	Tx        Flow       `json:"tx"`
	Remotes   []Remote   `json:"remotes"`
	More      int        `json:"more_remotes,omitempty"` // that are not listed
	Drops     []Drop     `json:"drops"`
	Offloads  []Offload  `json:"offloads"`
}

// Port is a trunk port with what no link counts.
type Port struct {
	Name  string `json:"name"`
	Drops []Drop `json:"drops"`
}

// Flow is one direction: what passed since the start, and a second at present.
type Flow struct {
	Packets   uint64  `json:"packets"`
	Bytes     uint64  `json:"bytes"`
	PacketsPS float64 `json:"packets_per_second"`
	BitsPS    float64 `json:"bits_per_second"`
	Dropped   uint64  `json:"dropped"`
	DroppedPS float64 `json:"dropped_per_second"`
}

// Remote is an outer address of a link.
type Remote struct {
	Dst        netip.Addr `json:"dst"`
	Configured bool       `json:"configured"`
	Entries    int        `json:"entries"`
	Heard      *uint32    `json:"heard,omitempty"` // seconds ago; nil: never
	Rx         Flow       `json:"rx"`
	Tx         Flow       `json:"tx"`
}

// Drop is what was dropped for a reason.
type Drop struct {
	Reason string  `json:"reason"`
	Count  uint64  `json:"count"`      // since the start
	PS     float64 `json:"per_second"` // at present
}

// Offload is one that is in use, or the reason why it is not.
type Offload struct {
	Name   string `json:"name"`
	On     bool   `json:"on"`
	Reason string `json:"reason,omitempty"`
}

// New compares two looks at a daemon, the second some time after the first.
func New(before, now *Snapshot) *Report {
	c := comparison{seconds: max(now.At.Sub(before.At).Seconds(), 0.001)}
	r := &Report{Version: now.Version, EVPN: now.EVPN, Addresses: now.Stats.Addresses, MaxAddress: now.Stats.MaxAddress, Links: []Link{}, Findings: []Finding{}}
	was := make(map[string]*api.Link)
	for i := range before.Links {
		was[before.Links[i].Spec.Name] = &before.Links[i]
	}
	for i := range now.Links {
		l, old := &now.Links[i], was[now.Links[i].Spec.Name]
		if old == nil || old.Stats.Rx.Packets > l.Stats.Rx.Packets || old.Stats.Tx.Packets > l.Stats.Tx.Packets {
			old = l // it is another one now: nothing is known of its rates
		}
		link := c.link(old, l)
		r.Links = append(r.Links, link)
		r.Findings = append(r.Findings, judge(old, l, &link)...)
	}
	// Why a remote is silent, a drop may say: those come first.
	// What the sockets lost is in /v1/stats and, as shared drops, of each link.
	r.Drops = c.drops(before.Stats.Drops, now.Stats.Drops)
	ports := make(map[string]map[string]uint64)
	for i := range before.Ports {
		ports[before.Ports[i].Spec.Name] = before.Ports[i].Drops
	}
	r.Findings = append(r.Findings, judgeDaemon(now, r.Drops)...)
	for i := range now.Ports {
		p := &now.Ports[i]
		drops := c.drops(ports[p.Spec.Name], p.Drops)
		r.Ports = append(r.Ports, Port{p.Spec.Name, drops})
		r.Findings = append(r.Findings, judgeDrops(p.Spec.Name, drops, 0, 0)...)
	}
	for i := range r.Links {
		r.Findings = append(r.Findings, judgeSilence(&r.Links[i], now.Links[i].Trouble)...)
	}
	if r.EVPN != nil {
		r.Findings = append(r.Findings, r.EVPN.judge()...)
	}
	r.Verdict = Healthy
	if len(r.Findings) > 0 {
		r.Verdict = Degraded
	}
	return r
}
