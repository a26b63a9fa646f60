package underlay

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// TestEnableGRO: it is off on a new veth, on after, and nothing to change then.
func TestEnableGRO(t *testing.T) {
	a, _ := newFastWire(t)
	for _, want := range []bool{true, false} {
		a.do(t, func() error {
			device, changed, err := EnableGRO(a.index)
			if device != "eth0" || changed != want || err != nil {
				t.Errorf("%q, changed %v, %v; want eth0 and %v", device, changed, err, want)
			}
			return nil
		})
	}
	a.do(t, func() error {
		if _, _, err := EnableGRO(9999); err == nil {
			t.Error("an interface that is not there was tuned")
		}
		if _, err := enableGRO("nosuch0"); !errors.Is(err, unix.ENODEV) {
			t.Errorf("a device that is not there: %v", err)
		}
		return nil
	})
}
