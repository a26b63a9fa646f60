package interop_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// TestNobodyListens: a remote whose VTEP does not run is told of by the log, link
// show and the monitor, and is sent to all the same.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	for _, f := range testedFamilies() {
		t.Run(f.name, func(t *testing.T) {
			sites := newSites(t, f, lab.WireOptions{}, uvtep, uvtep)
			a, b := sites[0], sites[1]
			a.daemon.uvtep(t, "link", "add", "quiet", "id", "9", "remote", b.outer.String()) // it stays down
			monitor := must(a.Start(lab.Command{Path: exe, Args: []string{"--control", a.daemon.socket, "-j", "monitor", "link"}}))(t)
			t.Cleanup(func() { _ = monitor.Close() })
			eventually(t, func() error {
				a.daemon.uvtep(t, "link", "set", "quiet", "ttl", "9")
				if monitor.Stdout() == "" {
					return errors.New("the monitor does not listen yet")
				}
				return nil
			})
			// The host's own frames are refused as soon as the link is up.
			a.addLink(t, link{remote: b.outer})
			check(t, a.AddAddr("vxlan0", inner4(1)))
			far := must(b.MAC(b.dev))(t)
			check(t, a.SetNeighbour("vxlan0", inner4(2).Addr(), far))
			eventually(t, func() error {
				_, _ = a.Ping(lab.PingConfig{Dst: inner4(2).Addr(), Timeout: 1})
				if !strings.Contains(a.daemon.proc.Stderr(), "nobody listens on the port of a remote") {
					return fmt.Errorf("nothing is told: %s", a.daemon.proc.Stderr())
				}
				return nil
			})
			if log := a.daemon.proc.Stderr(); strings.Count(log, "nobody listens") != 1 || !strings.Contains(log, "remote="+b.outer.String()+" port=4789") {
				t.Errorf("the log has\n%s", log)
			}
			text := a.daemon.uvtep(t, "-d", "link", "show", "vxlan0")
			if want := fmt.Sprintf("uvtep trouble dst %s port 4789 port-unreachable count ", b.outer); !strings.Contains(text, want) {
				t.Errorf("link show -d has no %q:\n%s", want, text)
			}
			var all []struct {
				Own struct {
					Trouble []struct {
						Dst, What string
						Port      int
						Count     uint64
						Now       bool
					}
				} `json:"uvtep"`
			}
			out := a.daemon.uvtep(t, "-j", "-s", "link", "show", "vxlan0")
			if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 || len(all[0].Own.Trouble) != 1 {
				t.Fatalf("link show -j: %v: %s", err, out)
			}
			if got := all[0].Own.Trouble[0]; got.Dst != b.outer.String() || got.What != "port-unreachable" || got.Port != 4789 || got.Count == 0 || !got.Now {
				t.Errorf("link show -j says %+v", got)
			}
			check(t, monitor.WaitStdout(`"event":"trouble","object":"link","trouble":{"ifname":"vxlan0","dst":"`+b.outer.String()+`","port":4789,"what":"port-unreachable"`, soon))
			c := a.daemon.counters(t, "vxlan0")
			if c.Stats.TX.Packets == 0 || c.Own.Drops["tx-refused"]+c.Own.Drops["tx-unreachable"] != 0 {
				t.Errorf("sent %d packets, dropped %v", c.Stats.TX.Packets, c.Own.Drops)
			}
		})
	}
}
