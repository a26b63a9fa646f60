package migrate_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/internal/config"
	"github.com/uvtep/uvtep/internal/migrate"
)

// TestOfFile exports a file with everything that uvtep has a word for.
func TestOfFile(t *testing.T) {
	f, err := config.ReadFile("testdata/export.yaml")
	if err != nil {
		t.Fatal(err)
	}
	links, err := migrate.OfFile(f)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "export.sh", string(migrate.ToIPRoute2(links)))
}

// TestOfDaemon exports what a daemon shows of a device, whose name and alias
// are somebody's who hopes for a shell.
func TestOfDaemon(t *testing.T) {
	spec := control.LinkSpec{Name: "$(id)", ID: new(uint32(42)), DstPort: new(uint16(4789)), Remote: new(netip.MustParseAddr("192.0.2.2")), Dev: new("a;b")}
	links := []control.Link{{Spec: spec, Netdev: control.Netdev{
		Index: 4, Name: "$(id)", MAC: "02:00:00:00:00:01", MTU: 1450, Flags: []string{"BROADCAST", "NOARP", "UP"}, Master: "br 0", Group: "7", TxQLen: 5,
		Alias: "it's\nrm -rf `x`", AddrGenMode: "none",
	}}}
	entries := []control.FDBEntry{
		{Dev: "other", MAC: "00:00:00:00:00:00", Dst: netip.MustParseAddr("192.0.2.9")},
		{Dev: "$(id)", MAC: "02:00:00:00:00:09", Dst: netip.MustParseAddr("192.0.2.9"), State: control.Dynamic},
		{Dev: "$(id)", MAC: "00:00:00:00:00:00", Dst: netip.MustParseAddr("192.0.2.2"), Via: "a;b", State: control.Permanent},
		{Dev: "$(id)", MAC: "00:00:00:00:00:00", Dst: netip.MustParseAddr("192.0.2.3"), Via: "a;b", State: control.Permanent},
	}
	golden(t, "daemon.sh", string(migrate.ToIPRoute2(migrate.OfDaemon(links, entries))))
}

// TestComments: no value ends a comment and begins a command.
func TestComments(t *testing.T) {
	l := migrate.Link{Names: []string{"x\nrm -rf y"}}
	l.Netdev.Name = "a\nb"
	for line := range strings.Lines(string(migrate.ToIPRoute2([]migrate.Link{l}))) {
		if strings.HasPrefix(line, "rm") {
			t.Errorf("a command: %q", line)
		}
	}
}
