package reload

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/vtep"
)

// recorded is a Backend that notes which links it makes and brings up.
type recorded struct {
	Backend
	calls []string
	up    map[string]error // what bringing a link up gives
}

func (b *recorded) AddLink(c vtep.LinkConfig) error {
	b.calls = append(b.calls, "add "+c.Name)
	return b.Backend.AddLink(c)
}

func (b *recorded) SetLinkUp(name string, up bool) error {
	if up {
		b.calls = append(b.calls, "up "+name)
	}
	if err := b.up[name]; err != nil {
		return err
	}
	return b.Backend.SetLinkUp(name, up)
}

// TestLoadRaisesLast: links come up after all are made, in the order of the file; one that
// cannot is told of with its place and tried again, one that is gone is not missed.
func TestLoadRaisesLast(t *testing.T) {
	bubble(t, func(r *rig) {
		b := &recorded{Backend: r.vtep, up: map[string]error{"b": errors.New("busy"), "d": vtep.ErrNoLink}}
		r.backend = b
		f := r.file("  - {name: a, id: 1}\n  - {name: b, id: 2}\n  - {name: c, id: 3, up: false}\n  - {name: d, id: 4}\n  - {name: e, id: 5}\n")
		err := r.Load(f)
		if err == nil || !strings.Contains(err.Error(), "f.yaml:3:12: link b: busy") || strings.Contains(err.Error(), "link d") {
			t.Errorf("told %v", err)
		}
		want := []string{"add a", "add b", "add c", "add d", "add e", "up a", "up b", "up d", "up e"}
		if !slices.Equal(b.calls, want) {
			t.Errorf("called %v, want %v", b.calls, want)
		}
		r.want("one is down yet", "a 1 ttl 0", "b 2 ttl 0 down", "c 3 ttl 0 down", "d 4 ttl 0 down", "e 5 ttl 0")
		b.up = nil
		if err := r.Load(f); err != nil {
			t.Errorf("tried again: %v", err)
		}
		r.want("again", "a 1 ttl 0", "b 2 ttl 0", "c 3 ttl 0 down", "d 4 ttl 0", "e 5 ttl 0")
	})
}
