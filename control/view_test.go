package control

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// TestView: a view has what the API tells, more remotes where there is room for them, and no more than that.
func TestView(t *testing.T) {
	v := vtep.New(vtep.Config{Host: vteptest.NewNetwork().Host(netip.MustParseAddr("192.0.2.1")), Log: slog.New(slog.DiscardHandler), Workers: 1})
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	const remotes = 100
	for i, name := range []string{"vxlan0", "vxlan1"} {
		if err := v.AddLink(vtep.LinkConfig{Name: name, VNI: 42, Remote: netip.MustParseAddr("192.0.2.2"), DstPort: uint16(4789 + i)}); err != nil {
			t.Fatal(err)
		}
		for n := range remotes - 1 {
			if err := v.FDBAppend(vtep.FDBEntry{Link: name, Remote: vtep.Remote{Addr: netip.MustParseAddr(fmt.Sprintf("198.51.100.%d", n+1))}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	view := View{v}
	for most, want := range map[int][2]int{0: {64, 64}, 10: {74, 64}, 36: {100, 64}, 50: {100, 78}, 1000: {100, 100}} {
		for i, l := range view.Links(most) {
			if len(l.Remotes) != want[i] || len(l.Remotes)+l.MoreRemotes != remotes || l.Spec.Name != fmt.Sprintf("vxlan%d", i) {
				t.Errorf("%d more: %s has %d remotes and %d more, want %d", most, l.Spec.Name, len(l.Remotes), l.MoreRemotes, want[i])
			}
		}
	}
	if s := view.Stats(); s.MaxAddress != 1048576 {
		t.Errorf("%+v", s)
	}
	if err := v.FDBAdd(vtep.FDBEntry{Link: "vxlan1", MAC: [6]byte{2, 0, 0, 0, 0, 7}, Remote: vtep.Remote{Addr: netip.MustParseAddr("192.0.2.7")}}); err != nil {
		t.Fatal(err)
	}
	c := dial(t, serve(t, v))
	for _, f := range []api.FDBFilter{{}, {Dev: "vxlan1"}, {MAC: "02:00:00:00:00:07"}, {Dst: netip.MustParseAddr("192.0.2.2")}} {
		var got []api.FDBEntry
		if err := view.WalkFDB(&f, func(e *api.FDBEntry) bool { got = append(got, *e); return true }); err != nil {
			t.Fatal(err)
		}
		want, err := c.FDB(t.Context(), f)
		same := slices.EqualFunc(got, want, func(a, b api.FDBEntry) bool {
			return a.Dev == b.Dev && a.MAC == b.MAC && a.Dst == b.Dst && a.State == b.State
		})
		if err != nil || len(got) == 0 || !same {
			t.Errorf("%+v: %d entries, the API has %d (%v)", f, len(got), len(want), err)
		}
	}
	if err := view.WalkFDB(&api.FDBFilter{Dev: "none"}, nil); err == nil {
		t.Error("a link that is not there has entries")
	}
}
