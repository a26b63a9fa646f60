package cli

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/api"
)

// TestShowNeighs: a line for each neighbour as ip neigh prints it, and an object with -j.
func TestShowNeighs(t *testing.T) {
	all := []api.NeighEntry{
		{Dev: "vx1", IP: netip.MustParseAddr("198.51.100.7"), MAC: "02:00:00:00:00:07"},
		{Dev: "vx1", IP: netip.MustParseAddr("2001:db8::7"), MAC: "02:00:00:00:00:07", Router: true, Override: true, Owner: "evpn", Generation: 3},
	}
	for _, tt := range []struct {
		app    app
		device bool
		want   string
	}{
		{app{}, true, "198.51.100.7 dev vx1 lladdr 02:00:00:00:00:07 PERMANENT\n2001:db8::7 dev vx1 lladdr 02:00:00:00:00:07 router override extern_learn PERMANENT\n"},
		{app{details: true, ipv6: true}, false, "2001:db8::7 lladdr 02:00:00:00:00:07 router override extern_learn owner evpn generation 3 PERMANENT\n"},
		{app{json: true, ipv4: true}, true, `[{"dst":"198.51.100.7","dev":"vx1","lladdr":"02:00:00:00:00:07","state":["PERMANENT"]}]` + "\n"},
		{app{json: true, ipv6: true}, false, `[{"dst":"2001:db8::7","lladdr":"02:00:00:00:00:07","router":null,"override":null,"extern_learn":null,"state":["PERMANENT"],"owner":"evpn","generation":3}]` + "\n"},
	} {
		var out bytes.Buffer
		tt.app.out = &out
		if err := tt.app.showNeighs(all, tt.device); err != nil || out.String() != tt.want {
			t.Errorf("printed %q, want %q (%v)", out.String(), tt.want, err)
		}
	}
}
