package lab_test

import (
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// TestUDPAtRate: a wire carries a low rate without loss, for as long as it was
// asked, and of a rate that nobody can send as much as goes in that time.
func TestUDPAtRate(t *testing.T) {
	l := lab.ForTest(t)
	w := pair(t, l, lab.WireOptions{})
	for _, dst := range []string{"192.0.2.2", "2001:db8:1::2"} {
		c := lab.RateConfig{From: w.HostA, To: w.HostB, Dst: addr(dst), Size: 64, Rate: 2000, Duration: 250 * time.Millisecond}
		r := must(lab.UDPAtRate(t.Context(), c))(t)
		// A sender that was held up leaves some out: it does not send faster.
		if r.Sent > 500 || r.Sent < 250 || r.Received != r.Sent || r.Corrupt+r.Duplicated != 0 {
			t.Errorf("2000/s for 250 ms to %s: %v in %v", dst, r, r.Elapsed)
		}
		if r.Elapsed > 5*time.Second || r.Sent == 500 && r.Elapsed < 200*time.Millisecond {
			t.Errorf("2000/s for 250 ms to %s took %v", dst, r.Elapsed)
		}
		c.Rate, c.Duration = 50_000_000, 50*time.Millisecond
		begin := time.Now()
		r = must(lab.UDPAtRate(t.Context(), c))(t)
		if r.Sent == 0 || r.Sent >= 2_500_000 || r.Corrupt+r.Duplicated != 0 || time.Since(begin) > 5*time.Second {
			t.Errorf("as much as goes in 50 ms to %s: %v after %v", dst, r, time.Since(begin))
		}
	}
}
