package vtep

import "testing"

// TestSetMaxAddresses: what all links together may hold has a default, and may be no
// limit.
func TestSetMaxAddresses(t *testing.T) {
	v := newSinkLink(t).vtep
	for n, want := range map[int]int{50_000: 50_000, 0: DefaultTotalAddresses, UnlimitedAddresses: 0} {
		v.SetMaxAddresses(n)
		if _, most := v.Addresses(); most != want {
			t.Errorf("%d is %d addresses, want %d", n, most, want)
		}
		if n > 0 && v.limits.remotes.Max() != n/remoteShare {
			t.Errorf("%d addresses come with %d remotes", n, v.limits.remotes.Max())
		}
	}
}
