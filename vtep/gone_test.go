package vtep

import (
	"errors"
	"testing"
)

// TestUpdateOfAGoneLink: an update that found its link before that went changes nothing,
// and opens nothing that nobody would close.
func TestUpdateOfAGoneLink(t *testing.T) {
	l := newSinkLink(t)
	v := l.vtep
	must(t, v.DelLink("vxlan0"))
	v.locked(func() {
		_, err := v.beginUpdate(l, func(c *LinkConfig) error { c.DstPort = 5000; return nil })
		if !errors.Is(err, ErrNoLink) || len(v.endpoints) != 0 || len(v.senders) != 0 {
			t.Errorf("%v; %d endpoints and %d transmitters are open", err, len(v.endpoints), len(v.senders))
		}
	})
}
