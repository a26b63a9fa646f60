package interop_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// TestNoLossBelowCapacity finds the highest rate of 64-byte datagrams that two
// daemons carry without loss, and wants none lost at 70 % of it.
//
// What else runs on the machine may take the processors away for longer than
// any queue lasts, so it has three attempts; loss that has its cause in here
// comes in all of them. No other test of the package runs meanwhile.
func TestNoLossBelowCapacity(t *testing.T) {
	sites := newSites(t, families()[0], lab.WireOptions{}, uvtep, uvtep)
	join(t, sites, netip.Addr{})
	l := load{t, sites[0], sites[1]}
	const attempts = 3
	var lost [attempts]string
	for i := range attempts {
		rate := l.capacity()
		if rate == 0 {
			lost[i] = fmt.Sprintf("lost some at %d a second already", leastRate)
			continue
		}
		n := l.send(rate*7/10, 3*time.Second)
		if n.Lost() == 0 && n.SendErrors == 0 {
			t.Logf("no loss at %d datagrams a second; %d in %v at 70 %% of that", rate, n.Sent, n.Elapsed)
			return
		}
		lost[i] = fmt.Sprintf("no loss at %d datagrams a second, but at 70 %% of that %v", rate, n)
	}
	for _, s := range sites {
		c := s.daemon.counters(t, "vxlan0")
		t.Logf("%s: counters %+v, TAP %+v", s, c, must(s.Link("vxlan0"))(t).Attrs().Statistics)
	}
	t.Fatalf("in %d attempts: %q", attempts, lost)
}

// The rates between which capacity looks, in datagrams a second.
const (
	leastRate = 20_000
	mostRate  = 640_000
)

// load is a sender and a receiver of datagrams.
type load struct {
	t        *testing.T
	from, to *site
}

func (l load) send(rate int, d time.Duration) lab.UDPCount {
	l.t.Helper()
	return must(lab.UDPAtRate(l.t.Context(), lab.RateConfig{
		From: l.from.Host, To: l.to.Host, Dst: inner4(l.to.n).Addr(), Size: 64, Rate: rate, Duration: d,
	}))(l.t)
}

// clean reports whether a rate is sent, all but a tenth, and nothing lost.
func (l load) clean(rate int, d time.Duration) bool {
	l.t.Helper()
	n := l.send(rate, d)
	l.t.Logf("%d a second: %v in %v", rate, n, n.Elapsed.Round(time.Millisecond))
	return n.Lost() == 0 && n.SendErrors == 0 && float64(n.Sent) > 0.9*float64(rate)*d.Seconds()
}

// capacity is the highest rate without loss, roughly; 0: not even the least is.
func (l load) capacity() int {
	l.t.Helper()
	const look, confirm = 250 * time.Millisecond, time.Second
	low, high := 0, leastRate
	for high <= mostRate && l.clean(high, look) {
		low, high = high, 2*high
	}
	for range 3 {
		if middle := (low + high) / 2; low > 0 && l.clean(middle, look) {
			low = middle
		} else {
			high = middle
		}
	}
	// A short burst may fit the queues.
	for range 3 {
		if low == 0 || l.clean(low, confirm) {
			break
		}
		low = low * 4 / 5
	}
	return low
}
