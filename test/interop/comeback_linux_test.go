package interop_test

import (
	"fmt"
	"testing"
	"time"
)

// TestDeletedLinkOfFileComesBack: `ip link del` takes a link of the configuration file away for a moment, less than a
// second on a quiet machine. It forwards again with what the file says of it.
func TestDeletedLinkOfFileComesBack(t *testing.T) {
	t.Parallel()
	a, _ := twoConfigured(t)
	for range 2 {
		was := must(a.Link("vxlan0"))(t).Attrs().Index
		begin := time.Now()
		check(t, a.DelLink("vxlan0"))
		eventually(t, func() error {
			l, err := a.Link("vxlan0")
			if err != nil {
				return err
			}
			if is := l.Attrs(); is.Index == was || is.OperState.String() == "down" {
				return fmt.Errorf("index %d, was %d, %v", is.Index, was, is.OperState)
			}
			return nil
		})
		t.Logf("the link is up again after %v", time.Since(begin))
		a.overlay(t, "vxlan0")
		check(t, a.MustReach(inner4(2).Addr(), 56, soon))
	}
}
