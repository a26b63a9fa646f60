package migrate

import (
	"errors"
	"testing"

	"github.com/vishvananda/netlink/nl"
)

// TestRepeated: a dump that was interrupted is asked for again, and not for ever.
func TestRepeated(t *testing.T) {
	for _, interrupted := range []int{0, 1, dumps - 1, dumps, dumps + 5} {
		asked := 0
		msgs, err := repeated(func() ([][]byte, error) {
			if asked++; asked <= interrupted {
				return nil, nl.ErrDumpInterrupted
			}
			return [][]byte{{1}}, nil
		})
		if whole := interrupted < dumps; (err == nil) != whole || (len(msgs) == 1) != whole || asked > dumps {
			t.Errorf("interrupted %d times: asked %d times, %v", interrupted, asked, err)
		}
	}
	other := errors.New("other")
	if _, err := repeated(func() ([][]byte, error) { return nil, other }); err != other { //nolint:errorlint // the same, not a wrapped one
		t.Errorf("another error: %v", err)
	}
}
