package fleet_test

import (
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/agent"
)

// stages are the places on the way of a gratuitous ARP between uvteps that are neighbours, each with the time at
// which its event was written.
type stages struct {
	mu   sync.Mutex
	cond *sync.Cond
	at   map[string]*[len(stageNames)]time.Time // by MAC address
}

// stageNames are what has happened at a stage.
var stageNames = [...]string{"sent", "heard by the data plane", "announced by the agent", "taken by the other agent", "in the other data plane"}

func (s *stages) note(mac string, stage int, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.at[mac]
	if e == nil {
		e = &[len(stageNames)]time.Time{}
		s.at[mac] = e
	}
	if e[stage].IsZero() {
		e[stage] = at
	}
	s.cond.Broadcast()
}

// whole waits until a MAC address has passed all stages.
func (s *stages) whole(mac string, within time.Duration) (at [len(stageNames)]time.Time, ok bool) {
	timeout := time.AfterFunc(within, s.cond.Broadcast)
	defer timeout.Stop()
	end := time.Now().Add(within)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		ok = true
		if e := s.at[mac]; e != nil {
			at = *e
		}
		for _, t := range at {
			ok = ok && !t.IsZero()
		}
		if ok || !time.Now().Before(end) {
			return at, ok
		}
		s.cond.Wait()
	}
}

// measureStages tells how long each stage takes, by what data planes and agents say of it. Four more listeners wake
// up for each ARP than where measureARPs measures, so that the sum is longer.
func measureStages(t *testing.T, from, to *site, kind byte) {
	t.Helper()
	s := &stages{at: map[string]*[len(stageNames)]time.Time{}}
	s.cond = sync.NewCond(&s.mu)
	s.followPlane(t, from, api.ObjectLocal, 1)
	s.followAgent(t, from, 2)
	s.followAgent(t, to, 3)
	s.followPlane(t, to, api.ObjectFDB, 4)
	sender := must(from.behind.OpenPacket("eth0"))(t)
	send := func(group byte, i int) string {
		mac := net.HardwareAddr{2, 0, kind, group, byte(i >> 8), byte(i)}
		s.note(mac.String(), 0, time.Now())
		check(t, sender.Send(gratuitousARP(mac, byte(100+i%100))))
		return mac.String()
	}
	first := 0
	eventually(t, func() error { // until all four listen
		first++
		if at, ok := s.whole(send(1, first), 100*time.Millisecond); !ok {
			return fmt.Errorf("host %d passed the stages at %v", first, at)
		}
		return nil
	})
	took := make([][]time.Duration, len(stageNames))
	for i := range *arpsFlag {
		at, ok := s.whole(send(0, i), soon)
		if !ok {
			t.Fatalf("host %d passed the stages at %v", i, at)
		}
		for stage := 1; stage < len(at); stage++ {
			took[stage] = append(took[stage], at[stage].Sub(at[stage-1]))
		}
	}
	check(t, sender.Close())
	for stage := 1; stage < len(took); stage++ {
		t.Logf("from %s to %s: median %v, 99 %% within %v", stageNames[stage-1], stageNames[stage], percentile(took[stage], 50), percentile(took[stage], 99))
	}
}

// followPlane notes the MAC addresses that a data plane tells.
func (s *stages) followPlane(t *testing.T, u *site, object string, stage int) {
	t.Helper()
	m := must(u.client(t).Monitor(t.Context(), object))(t)
	t.Cleanup(func() { _ = m.Close() })
	go func() {
		for {
			e, err := m.Next()
			if err != nil {
				return
			}
			if e.FDB != nil {
				s.note(e.FDB.MAC, stage, e.Time)
			} else if e.Local != nil {
				s.note(e.Local.MAC, stage, e.Time)
			}
		}
	}()
}

// followAgent notes the MAC addresses that an agent tells.
func (s *stages) followAgent(t *testing.T, u *site, stage int) {
	t.Helper()
	go func() {
		_ = agent.Asker{Path: filepath.Join(u.dir, "evpn")}.Monitor(t.Context(), func(e *agent.Event) error {
			s.note(e.MAC, stage, e.Time)
			return nil
		})
	}()
}
