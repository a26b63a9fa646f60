package control

import (
	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/words"
)

// TotalAddresses is the number of unicast entries that v, the `maxaddress` of the
// daemon, lets all links' FDBs hold together, in vtep.Config's form.
func TotalAddresses(v api.Value) (int, error) {
	if err := words.Check(&api.LinkChange{LinkSpec: api.LinkSpec{MaxAddress: &v}}); err != nil {
		return 0, err
	}
	if n, isNumber := v.Number(); isNumber && n == 0 {
		return 0, api.Invalidf("maxaddress of the daemon is 0: write how many addresses all links may hold together, or unlimited")
	}
	return limit(v), nil
}
