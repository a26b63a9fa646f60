package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/api"
)

func stateOf(t *testing.T, p *Page, query string) (s State, size int) {
	t.Helper()
	w := ask(t, p, http.MethodGet, "/state.json"+query)
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d: %v: %s", w.Code, err, w.Body)
	}
	return s, w.Body.Len()
}

// TestCrowd: the daemon is asked once a second however many look, and never while nobody does.
func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &daemon{links: []api.Link{newLink("vxlan0", 42, 2, 0)}}
		p := newPage(d)
		time.Sleep(time.Hour)
		if d.asked != 0 {
			t.Errorf("nobody looked, and the daemon was asked %d times", d.asked)
		}
		const seconds = 10
		begin := time.Now()
		asked := 0
		for time.Since(begin) < seconds*time.Second {
			stateOf(t, p, "") // each at once after the other: the page itself holds them back
			stateOf(t, p, "?link=vx")
			asked += 2
		}
		if d.asked > seconds+1 {
			t.Errorf("the daemon was asked %d times in %d s", d.asked, seconds)
		}
		if most := requestsAtOnce + requestsPerSecond*(seconds+1); asked > most || asked < requestsPerSecond*seconds {
			t.Errorf("%d requests were answered in %d s, of which it takes %d", asked, seconds, most)
		}
		asked = d.asked
		time.Sleep(time.Hour)
		if d.asked != asked {
			t.Error("nobody looked any more, and the daemon was asked")
		}
	})
}

// TestSlowLook: a look that takes long is made the more seldom, so that looks take at most a tenth of the time.
func TestSlowLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &slow{time.Second, 0}
		p := New(Config{Source: d, Log: slog.New(slog.DiscardHandler)})
		for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(time.Second / 10) {
			stateOf(t, p, "")
		}
		if d.asked > 7 {
			t.Errorf("a look takes a second, and there were %d in a minute", d.asked)
		}
	})
}

type slow struct {
	takes time.Duration
	asked int
}

func (s *slow) Links(int) []api.Link {
	s.asked++
	time.Sleep(s.takes)
	return nil
}
func (s *slow) Stats() api.Stats                                       { return api.Stats{} }
func (s *slow) WalkFDB(*api.FDBFilter, func(*api.FDBEntry) bool) error { return nil }

// TestRates: two looks make rates; one makes none, nor do two that are far apart.
func TestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &daemon{links: []api.Link{newLink("vxlan0", 42, 1, 1000), newLink("vxlan1", 43, 0, 0)}}
		d.links[0].Stats.Drops, d.stats.Drops = map[string]uint64{"rx-not-peer": 4}, map[string]uint64{"rx-unknown-vni": 2}
		p := newPage(d)
		if s, _ := stateOf(t, p, ""); s.Seconds != 0 || s.Rx.PacketsPS != 0 || s.Rx.Packets != 1000 {
			t.Errorf("first: %+v", s)
		}
		time.Sleep(2 * time.Second)
		d.links = []api.Link{newLink("vxlan0", 42, 1, 2000), newLink("vxlan1", 43, 0, 100)}
		d.links[0].Stats.Drops, d.links[1].Stats.Drops = map[string]uint64{"rx-not-peer": 14}, map[string]uint64{"rx-not-peer": 2}
		s, _ := stateOf(t, p, "")
		if s.Seconds != 2 || s.Rx.PacketsPS != 550 || s.Tx.BitsPS != 440000 || s.Links[0].Rx.BitsPS != 4e6 || s.Links[0].Remotes[0].Rx.PacketsPS != 500 {
			t.Errorf("then: %+v", s)
		}
		if len(s.Drops) != 2 || s.Drops[0].Reason != "rx-not-peer" || s.Drops[0].Count != 16 || s.Drops[0].PS != 6 || s.Verdict != "degraded" {
			t.Errorf("drops: %+v", s.Drops)
		}
		time.Sleep(time.Hour)
		if s, _ := stateOf(t, p, ""); s.Seconds != 0 {
			t.Errorf("rates of an hour: %+v", s)
		}
	})
}

// TestBounds: the answer is bounded with as many links and remotes as there may be, and a name or VNI finds
// the others.
func TestBounds(t *testing.T) {
	d := &daemon{}
	const links, remotesEach = 500, 16
	for i := range links {
		d.links = append(d.links, newLink(fmt.Sprintf("vx%d", i), uint32(70000+i), remotesEach, 1))
		d.links[i].Missing = "something" // a finding each
	}
	p := newPage(d)
	s, size := stateOf(t, p, "")
	remotes := 0
	for _, l := range s.Links {
		remotes += len(l.Remotes)
		if len(l.Remotes)+l.MoreRemotes != remotesEach {
			t.Errorf("%s has %d remotes and %d more", l.Name, len(l.Remotes), l.MoreRemotes)
		}
	}
	if len(s.Links) != mostLinks || s.MoreLinks != links-mostLinks || s.AllLinks != links || remotes != mostRemotes ||
		len(s.Findings) != mostFindings || s.MoreFindings < links-mostFindings || size > 1<<20 {
		t.Errorf("%d links and %d more, %d remotes, %d findings and %d more, %d bytes", len(s.Links), s.MoreLinks, remotes, len(s.Findings), s.MoreFindings, size)
	}
	for filter, want := range map[string]int{"vx499": 1, "VX49": 11, "70499": 1, "none": 0} {
		if s, _ := stateOf(t, p, "?link="+filter); len(s.Links) != want || s.AllLinks != links {
			t.Errorf("%s finds %d links, want %d", filter, len(s.Links), want)
		}
	}
}

// TestThousandRemotes: those of one link are all told.
func TestThousandRemotes(t *testing.T) {
	p := newPage(&daemon{links: []api.Link{newLink("vxlan0", 42, 1000, 1<<40)}})
	if s, size := stateOf(t, p, ""); len(s.Links[0].Remotes) != 1000 || size > 250<<10 {
		t.Errorf("%d remotes in %d bytes", len(s.Links[0].Remotes), size)
	}
}

// TestAgent: the agent is asked where a link is of a fabric, once a look, and left alone for a while
// where it does not answer.
func TestAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, hangs := 0, false
		d := &daemon{links: []api.Link{newLink("vxlan0", 42, 1, 0)}}
		p := New(Config{Source: d, Log: slog.New(slog.DiscardHandler), EVPN: func(ctx context.Context) (*EVPN, error) {
			if asked++; hangs {
				<-ctx.Done()
				return nil, errors.New("the agent does not answer")
			}
			return &EVPN{Neighbors: make([]EVPNNeighbor, 100), Links: []EVPNLink{{Name: "vxlan0", VTEPs: 3}}}, nil
		}})
		if s, _ := stateOf(t, p, ""); s.EVPN != nil || asked > 0 {
			t.Errorf("no link is of a fabric: %+v", s.EVPN)
		}
		d.links[0].Spec.EVPN = new(true)
		time.Sleep(time.Second)
		if s, _ := stateOf(t, p, ""); s.EVPN == nil || len(s.EVPN.Neighbors) != mostEVPN || s.EVPN.More != 100-mostEVPN || s.EVPN.Links[0].VTEPs != 3 {
			t.Errorf("%+v", s.EVPN)
		}
		hangs, asked = true, 0
		for begin := time.Now(); time.Since(begin) < 60*time.Second; time.Sleep(time.Second) {
			if s, _ := stateOf(t, p, ""); time.Since(begin) > time.Second && s.EVPN.Error == "" {
				t.Errorf("%+v", s.EVPN)
			}
		}
		if asked > 6 {
			t.Errorf("an agent that hangs was asked %d times in a minute", asked)
		}
	})
}

// TestGone: who goes away does not spoil the answer of others.
func TestGone(t *testing.T) {
	d := &daemon{links: []api.Link{newLink("vxlan0", 42, 1, 0)}}
	d.links[0].Spec.EVPN = new(true)
	p := New(Config{Source: d, Log: slog.New(slog.DiscardHandler), EVPN: func(ctx context.Context) (*EVPN, error) { return &EVPN{}, ctx.Err() }})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	text, err := p.looks.text(gone, "")
	if err != nil || !bytes.Contains(text, []byte(`"evpn":{}`)) {
		t.Errorf("%v: %s", err, text)
	}
}
