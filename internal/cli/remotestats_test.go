package cli

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/api"
)

// TestShowRemotes: the counters of remotes are in text for -s -s and -s -d, in JSON for -s.
func TestShowRemotes(t *testing.T) {
	l := api.Link{MoreRemotes: 7, Remotes: []api.RemoteStats{
		{Dst: netip.MustParseAddr("192.0.2.2"), Configured: true, Entries: 3, Heard: new(uint32(4)),
			Rx: api.Counts{Packets: 11, Bytes: 12, Dropped: 13}, Tx: api.Counts{Packets: 14, Bytes: 15, Dropped: 16}},
		{Dst: netip.MustParseAddr("192.0.2.3")},
	}}
	text := func(a app) string {
		var b strings.Builder
		a.out = &b
		if err := a.showLinks([]api.Link{l}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	want := "    uvtep remote 192.0.2.2 rx 11 bytes 12 dropped 13 tx 14 bytes 15 dropped 16 entries 3 heard 4s\n" +
		"    uvtep remote 192.0.2.3 rx 0 bytes 0 dropped 0 tx 0 bytes 0 dropped 0 entries 0 heard never\n" +
		"    uvtep remotes-more 7\n"
	for _, a := range []app{{statistics: 2}, {statistics: 1, details: true}} {
		if got := text(a); !strings.HasSuffix(got, want) {
			t.Errorf("got\n%s\nwant at its end\n%s", got, want)
		}
	}
	if got := text(app{statistics: 1}); strings.Contains(got, "uvtep") {
		t.Errorf("-s alone prints what ip does not:\n%s", got)
	}
	want = `"remotes":[{"dst":"192.0.2.2","configured":true,"entries":3,"rx":{"bytes":12,"packets":11,"dropped":13},"tx":{"bytes":15,"packets":14,"dropped":16},"heard":4},` +
		`{"dst":"192.0.2.3","configured":false,"entries":0,"rx":{"bytes":0,"packets":0,"dropped":0},"tx":{"bytes":0,"packets":0,"dropped":0}}],"more_remotes":7`
	if got := strings.Join(strings.Fields(text(app{statistics: 1, json: true})), ""); !strings.Contains(got, want) {
		t.Errorf("JSON\n%s\nlacks\n%s", got, want)
	}
}
