package interop_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/test/lab"
)

// TestController: a controller adds, replaces and removes 10,000 entries by way
// of the package client while traffic flows between addresses that it does not
// touch: no frame of theirs is lost, doubled or out of order, and another
// controller hears of each change once.
func TestController(t *testing.T) {
	t.Parallel()
	for _, k := range []kinds{{uvtep, kernel}, {uvtep, uvtep}} {
		t.Run(k.String(), func(t *testing.T) {
			sites := newSites(t, families()[0], lab.WireOptions{}, k[0], k[1])
			a, b := sites[0], sites[1]
			for i, s := range sites {
				other := sites[1-i]
				s.addLink(t, link{noLearning: true, mac: staticMAC(s.n), remote: other.outer})
				s.overlay(t, "vxlan0")
				s.fdb(t, "add", "vxlan0", staticMAC(other.n), other.outer)
			}
			ping(t, a.Host, inner4(b.n).Addr(), 56)
			before := len(a.showFDB(t, "vxlan0"))
			c := client.New(a.daemon.socket)
			defer c.Close()
			events := must(c.Monitor(t.Context(), api.ObjectFDB))(t)
			defer events.Close()
			changes, end := context.WithCancel(t.Context())
			flowing := make(chan error, 1)
			sent := 0
			go func() {
				var err error
				for changes.Err() == nil && err == nil {
					var r lab.UDPResult
					r, err = lab.UDP(t.Context(), lab.UDPConfig{From: a.Host, To: b.Host, Dst: inner4(b.n).Addr(), Size: 600, Count: 5_000})
					if sent += r.Forth.Sent + r.Back.Sent; err == nil && !r.Clean() {
						err = fmt.Errorf("forth %v; back %v", r.Forth, r.Back)
					}
				}
				flowing <- err
			}()
			entries := 10_000
			if raceDetector {
				entries = 1_000 // it makes each of them take ten times as long
			}
			heard := map[string]int{}
			hearing := make(chan error, 1)
			go func() { hearing <- hear(events, 3*entries, heard) }()
			begin := time.Now()
			changeAll(t, c, client.Add, entries, addr("192.0.2.7"))
			if have := must(c.FDB(t.Context(), api.FDBFilter{Dev: "vxlan0", Dst: addr("192.0.2.7"), ExternLearn: new(true)}))(t); len(have) != entries {
				t.Errorf("%d entries after adding %d", len(have), entries)
			}
			changeAll(t, c, client.Replace, entries, addr("192.0.2.8"))
			changeAll(t, c, client.Del, entries, netip.Addr{})
			took := time.Since(begin)
			end()
			if err := <-flowing; err != nil {
				t.Errorf("the traffic beside it, of %d datagrams: %v", sent, err)
			}
			if err := <-hearing; err != nil {
				t.Error(err)
			}
			for _, want := range []string{"new 192.0.2.7", "new 192.0.2.8", "del 192.0.2.8"} {
				if heard[want] != entries {
					t.Errorf("heard %v, want %d of %s", heard, entries, want)
				}
			}
			if after := a.showFDB(t, "vxlan0"); len(after) != before {
				t.Errorf("%d entries at the end, %d at the start", len(after), before)
			}
			t.Logf("%d changes in %v beside %d datagrams", 3*entries, took.Round(time.Millisecond), sent)
		})
	}
}

// changeAll makes the same change of n entries, by several requests at a time.
func changeAll(t *testing.T, c *client.Client, verb string, n int, dst netip.Addr) {
	t.Helper()
	g, ctx := errgroup.WithContext(t.Context())
	const atOnce = 4
	for w := range atOnce {
		g.Go(func() error {
			for i := w; i < n; i += atOnce {
				e := api.FDBEntry{Dev: "vxlan0", MAC: fmt.Sprintf("02:00:01:00:%02x:%02x", i>>8, i&255), Dst: dst, ExternLearn: true}
				if err := c.ChangeFDB(ctx, verb, e); err != nil {
					return fmt.Errorf("%s %s: %w", verb, e.MAC, err)
				}
			}
			return nil
		})
	}
	check(t, g.Wait())
}

// hear counts n events of entries.
func hear(events *client.Monitor, n int, heard map[string]int) error {
	for range n {
		e, err := events.Next()
		if err != nil {
			return err
		}
		if e.Event == api.EventLost {
			return fmt.Errorf("%d events lost, heard %v", e.Lost, heard)
		}
		heard[fmt.Sprint(e.Event, " ", e.FDB.Dst)]++
	}
	return nil
}
