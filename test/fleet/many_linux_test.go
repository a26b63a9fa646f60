package fleet_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/bgp"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/internal/agent"
	"github.com/uvtep/uvtep/test/lab"
)

// How large TestManyVTEPs is. The targets of docs/performance.md are for
// -vteps 1000 -macs 100 -moves 1000 -for 60s.
var (
	vtepsFlag = flag.Int("vteps", 8, "VTEPs of TestManyVTEPs")
	macsFlag  = flag.Int("macs", 25, "MAC addresses of each of its VTEPs")
	movesFlag = flag.Int("moves", 200, "moves a second, of all of them")
	forFlag   = flag.Duration("for", 500*time.Millisecond, "how long they move")
)

// full reports whether it is as large as its targets are for.
func full() bool { return *vtepsFlag >= 1000 && *macsFlag >= 100 }

// TestManyVTEPs: two uvteps behind a reflector that has many VTEPs follow them all: their MAC addresses,
// their flood lists, their moves; and while one's agent is killed and started again no frame between
// known hosts is lost.
func TestManyVTEPs(t *testing.T) {
	installed(t, zebra, bgpd, "vtysh", "setpriv")
	sites := newFleet(t, "uvtep1", "uvtep2", "stubs", "reflector")
	u1, u2, r := sites[0], sites[1], sites[3]
	r.frr = startFRR(t, r.Host, bgpConf(65001, 4,
		[]string{"bgp listen limit 5000", "neighbor fabric peer-group", "neighbor fabric remote-as 65001", "bgp listen range 192.0.2.0/24 peer-group fabric", "bgp listen range 198.18.0.0/16 peer-group fabric"},
		[]string{"neighbor fabric activate", "neighbor fabric route-reflector-client"}))
	for _, u := range sites[:2] {
		u.uvtep(t, agentFile(65001, u.n, neighbor(4, 65001)))
		check(t, u.client(t).ChangeLink(t.Context(), "vxlan42", api.LinkChange{LinkSpec: api.LinkSpec{MaxAddress: new(api.Value("unlimited"))}}))
		check(t, u.AddRoute(lab.Route{Dst: stubNet, Via: outer(3)}))
	}
	reach(t, u1, u2)
	f := &many{stubs: newStubs(t, sites[2], r, *vtepsFlag, *macsFlag), uvteps: sites[:2]}
	f.watch(t)
	t.Run("they come", f.come)
	t.Run("they move", f.move)
	t.Run("an agent is killed", f.kill)
	f.memory(t)
}

type many struct {
	*stubs
	uvteps []*site
	watcher
}

// watcher is a neighbour of the reflector that only listens: it has what the reflector alone takes.
type watcher struct {
	mu        sync.Mutex
	heard     map[bgp.Key]bool // routes of stubs
	all, last time.Time        // when it had heard all of them, and something
}

func (f *many) watch(t *testing.T) {
	p := must(f.open(stubAddr(len(f.list))))(t)
	t.Cleanup(func() { _ = p.Close() })
	f.heard = map[bgp.Key]bool{}
	routes := len(f.list) + len(f.at)
	f.group.Go(func() {
		_ = p.Hear(func(u *bgp.Update) bool { // until it is closed
			f.mu.Lock()
			defer f.mu.Unlock()
			f.last = time.Now()
			for i := range u.Announced {
				if rd := u.Announced[i].RD; rd[2] == stubNet.Addr().As4()[0] {
					f.heard[u.Announced[i].Key()] = true
				}
			}
			if f.all.IsZero() && len(f.heard) == routes {
				f.all = f.last
			}
			return true
		})
	})
}

// neighbors are what the agent tells of its neighbours.
func (s *site) neighbors(t *testing.T) (all []agent.Neighbor) {
	t.Helper()
	check(t, agent.Asker{Path: filepath.Join(s.dir, "evpn")}.Get(t.Context(), "neighbor", &all))
	return all
}

// client asks the site's data plane.
func (s *site) client(t *testing.T) *client.Client {
	t.Helper()
	c := client.New(s.control())
	t.Cleanup(c.Close)
	return c
}

// come has all VTEPs announce themselves at once, and measures when the watcher has heard all routes, and when
// both data planes have them.
func (f *many) come(t *testing.T) {
	done := make([]time.Duration, len(f.uvteps))
	began := time.Now()
	var group sync.WaitGroup
	defer group.Wait()
	for i, u := range f.uvteps {
		c := u.client(t)
		group.Go(func() {
			if err := lab.Eventually(5*time.Minute, func() error {
				l, err := c.Link(t.Context(), "vxlan42")
				if err == nil && l.Entries < len(f.at) {
					err = fmt.Errorf("%s has %d entries of %d", u, l.Entries, len(f.at))
				}
				return err
			}); err != nil {
				t.Error(err)
			}
			done[i] = time.Since(began)
		})
	}
	f.announce(t)
	said := time.Since(began)
	for _, u := range f.uvteps {
		f.agrees(t, u)
		eventually(t, func() error {
			all, err := u.client(t).FDB(t.Context(), api.FDBFilter{Dev: "vxlan42", MAC: "00:00:00:00:00:00"})
			if err == nil && len(all) != len(f.list)+1 {
				err = fmt.Errorf("%s floods to %d VTEPs, want %d", u, len(all), len(f.list)+1)
			}
			return err
		})
	}
	group.Wait()
	var alone time.Duration
	check(t, lab.Eventually(5*time.Minute, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if alone = f.all.Sub(began); f.all.IsZero() {
			return fmt.Errorf("the neighbour that listens has heard %d routes of %d", len(f.heard), len(f.list)+len(f.at))
		}
		return nil
	}))
	t.Logf("%d VTEPs, %d MAC addresses: announced in %v; a neighbour of the reflector that only listens heard all after %v, the data planes had all after %v and %v",
		len(f.list), len(f.at), said.Round(time.Millisecond), alone.Round(time.Millisecond), done[0].Round(time.Millisecond), done[1].Round(time.Millisecond))
}

// agrees waits until a data plane has each MAC address of the stubs where it is.
func (f *many) agrees(t *testing.T, u *site) {
	t.Helper()
	c, want := u.client(t), f.want()
	check(t, lab.Eventually(5*time.Minute, func() error {
		all, err := c.FDB(t.Context(), api.FDBFilter{Dev: "vxlan42"})
		if err != nil {
			return err
		}
		right, wrong, example := 0, 0, ""
		for i := range all {
			if dst, ok := want[all[i].MAC]; ok && all[i].Dst == dst {
				right++
			} else if strings.HasPrefix(all[i].MAC, "02:18:") {
				wrong++
				example = fmt.Sprintf("%s is at %v, want %v", all[i].MAC, all[i].Dst, dst)
			}
		}
		if right != len(want) || wrong > 0 {
			return fmt.Errorf("%s: %d MAC addresses are where they are, of %d; %d are not: %s", u, right, len(want), wrong, example)
		}
		return nil
	}))
}

// move has MAC addresses move, and measures when both data planes have followed after the last one.
func (f *many) move(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	began, moved := time.Now(), 0
	for time.Since(began) < *forFlag {
		for due := int(time.Since(began).Seconds() * float64(*movesFlag)); moved < due; moved++ {
			check(t, f.stubs.move(rnd))
		}
		<-tick.C
	}
	took := time.Since(began)
	for _, u := range f.uvteps {
		f.agrees(t, u)
	}
	f.mu.Lock()
	alone := f.last.Sub(began) - took
	f.mu.Unlock()
	t.Logf("%d moves, %.0f a second; the neighbour that only listens heard the last one after %v, the data planes agreed when they were looked at after %v",
		moved, float64(moved)/took.Seconds(), max(alone, 0).Round(time.Millisecond), (time.Since(began) - took).Round(time.Millisecond))
}

// kill kills an agent and starts it again, while traffic goes on and routes change.
func (f *many) kill(t *testing.T) {
	u1, u2 := f.uvteps[0], f.uvteps[1]
	reach(t, u1, u2)
	ended := make(chan struct{})
	var count lab.UDPCount
	var err error
	var group sync.WaitGroup
	group.Go(func() {
		count, err = lab.UDPAtRate(context.WithoutCancel(t.Context()), lab.RateConfig{From: u1.behind, To: u2.behind, Dst: inner(u2.n), Size: 100, Rate: 1000, Duration: 5 * time.Minute, Until: ended})
	})
	stop := sync.OnceFunc(func() {
		close(ended)
		group.Wait()
	})
	defer stop()
	check(t, u1.agent.Signal(syscall.SIGKILL))
	<-u1.agent.Done()
	// The first MAC address goes while there is no agent.
	gone := stubMAC(0).String()
	at := f.list[f.at[0]]
	check(t, at.Withdraw(at.t2(0)))
	u1.startAgent(t)
	began, c := time.Now(), u1.client(t)
	var last, step time.Duration
	want := len(f.at) - 1 + len(f.list) + 1 // and the other uvtep's T3; it may have T2, too
	check(t, lab.Eventually(5*time.Minute, func() error {
		if all := u1.neighbors(t); all[0].Routes < want {
			return fmt.Errorf("%d of %d routes have come", all[0].Routes, want)
		}
		return nil
	}))
	last = time.Since(began)
	check(t, lab.Eventually(5*time.Minute, func() error {
		left, err := c.FDB(t.Context(), api.FDBFilter{Dev: "vxlan42", MAC: gone})
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("%s is still there: %+v", gone, left)
		}
		return err
	}))
	step = time.Since(began)
	time.Sleep(100 * time.Millisecond) // traffic after all of it
	stop()
	check(t, err)
	if count.Received != count.Sent {
		t.Errorf("%d of %d datagrams between known hosts were lost", count.Sent-count.Received, count.Sent)
		for _, u := range f.uvteps {
			link := must(u.client(t).Link(t.Context(), "vxlan42"))(t)
			t.Logf("%s: %s", u, must(json.Marshal(link.Stats))(t))
		}
	}
	t.Logf("an agent was killed and started again: the last route came after %v, in step %v later; %d of %d datagrams lost", last.Round(time.Millisecond), (step - last).Round(time.Millisecond), count.Sent-count.Received, count.Sent)
	if full() && step-last > 2*time.Second {
		t.Errorf("in step %v after the last route, more than 2 s", step-last)
	}
	check(t, at.Announce(at.attributes(bgp.MACMobility(f.seq[0]+1, false)), at.t2(0)))
	f.agrees(t, u1)
}

// memory holds the agents to theirs.
func (f *many) memory(t *testing.T) {
	for _, u := range f.uvteps {
		now, most := memoryOf(t, u.agent)
		daemon, _ := memoryOf(t, u.daemon)
		t.Logf("%s: the agent has %d MiB of memory, had at most %d; the daemon %d", u, now>>10, most>>10, daemon>>10)
		if full() && now > 64<<10 {
			t.Errorf("%s: the agent has %d MiB of memory, more than 64", u, now>>10)
		}
	}
}

// memoryOf is the resident memory of a process in KiB, now and at most.
func memoryOf(t *testing.T, p *lab.Process) (now, most int) {
	t.Helper()
	status := string(must(os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.Pid()), "status")))(t))
	for line := range strings.Lines(status) {
		if f := strings.Fields(line); len(f) == 3 {
			n, _ := strconv.Atoi(f[1])
			switch f[0] {
			case "VmRSS:":
				now = n
			case "VmHWM:":
				most = n
			}
		}
	}
	return now, most
}
