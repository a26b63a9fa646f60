package cli

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/api"
)

// TestShowLocal: a line for each address on this side, and an object with -j.
func TestShowLocal(t *testing.T) {
	all := []api.LocalEntry{
		{Dev: "vx1", MAC: "02:00:00:00:00:01", Updated: 3},
		{Dev: "vx1", MAC: "02:00:00:00:00:01", IP: netip.MustParseAddr("2001:db8::7"), Router: true, Updated: 4},
		{Dev: "vx1", MAC: "02:00:00:00:00:02", Contested: true},
		{Dev: "vx1", MAC: "02:00:00:00:00:03", Sticky: true},
	}
	for _, tt := range []struct {
		app    app
		device bool
		want   string
	}{
		{app{}, true, "02:00:00:00:00:01 dev vx1 self local\n02:00:00:00:00:01 dev vx1 ip 2001:db8::7 self router local\n02:00:00:00:00:02 dev vx1 self contested local\n02:00:00:00:00:03 dev vx1 self sticky local\n"},
		{app{statistics: 1}, false, "02:00:00:00:00:01 updated 3 self local\n02:00:00:00:00:01 ip 2001:db8::7 updated 4 self router local\n02:00:00:00:00:02 updated 0 self contested local\n02:00:00:00:00:03 updated 0 self sticky local\n"},
		{app{json: true}, true, `[{"mac":"02:00:00:00:00:01","ifname":"vx1","flags":["self"],"state":"local"},` +
			`{"mac":"02:00:00:00:00:01","ifname":"vx1","ip":"2001:db8::7","flags":["self","router"],"state":"local"},` +
			`{"mac":"02:00:00:00:00:02","ifname":"vx1","flags":["self","contested"],"state":"local"},` +
			`{"mac":"02:00:00:00:00:03","ifname":"vx1","flags":["self","sticky"],"state":"local"}]` + "\n"},
	} {
		var out bytes.Buffer
		tt.app.out = &out
		if err := tt.app.showLocal(all, tt.device); err != nil || out.String() != tt.want {
			t.Errorf("printed %q, want %q (%v)", out.String(), tt.want, err)
		}
	}
}

// TestShowOwner: -d and -j say whose an entry is, where it is a controller's.
func TestShowOwner(t *testing.T) {
	e := []api.FDBEntry{{Dev: "vx1", MAC: "00:00:00:00:00:00", Dst: netip.MustParseAddr("192.0.2.2"), State: api.Permanent, NoFlood: true, Owner: "c", Generation: 7}}
	for _, tt := range []struct {
		app  app
		want string
	}{
		{app{}, "00:00:00:00:00:00 dst 192.0.2.2 self noflood permanent\n"},
		{app{details: true}, "00:00:00:00:00:00 dst 192.0.2.2 self noflood owner c generation 7 permanent\n"},
		{app{json: true}, `[{"mac":"00:00:00:00:00:00","dst":"192.0.2.2","flags":["self","noflood"],"state":"permanent","owner":"c","generation":7}]` + "\n"},
	} {
		var out bytes.Buffer
		tt.app.out = &out
		if err := tt.app.showFDB(e, false); err != nil || out.String() != tt.want {
			t.Errorf("printed %q, want %q (%v)", out.String(), tt.want, err)
		}
	}
}
