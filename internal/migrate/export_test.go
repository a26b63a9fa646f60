package migrate_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/config"
	"github.com/uvtep/uvtep/internal/migrate"
	"github.com/uvtep/uvtep/internal/words"
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
	spec := api.LinkSpec{Name: "$(id)", ID: new(uint32(42)), DstPort: new(uint16(4789)), Remote: new(netip.MustParseAddr("192.0.2.2")), Dev: new("a;b")}
	links := []api.Link{{Spec: spec, Netdev: api.Netdev{
		Index: 4, Name: "$(id)", MAC: "02:00:00:00:00:01", MTU: 1450, Flags: []string{"BROADCAST", "NOARP", "UP"}, Master: "br 0", Group: "7", TxQLen: 5,
		Alias: "it's\nrm -rf `x`", AddrGenMode: "none",
	}}}
	entries := []api.FDBEntry{
		{Dev: "other", MAC: "00:00:00:00:00:00", Dst: netip.MustParseAddr("192.0.2.9")},
		{Dev: "$(id)", MAC: "02:00:00:00:00:09", Dst: netip.MustParseAddr("192.0.2.9"), State: api.Dynamic},
		{Dev: "$(id)", MAC: "00:00:00:00:00:00", Dst: netip.MustParseAddr("192.0.2.2"), Via: "a;b", State: api.Permanent},
		{Dev: "$(id)", MAC: "00:00:00:00:00:00", Dst: netip.MustParseAddr("192.0.2.3"), Via: "a;b", State: api.Permanent},
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

// TestExportTrunk: a link of a trunk port is told from one with a device of its own,
// and does not get the one MAC address that all of the trunk's have.
func TestExportTrunk(t *testing.T) {
	var links []migrate.Link
	for i, name := range []string{"vxlan10", "vxlan20"} {
		links = append(links, migrate.Link{Link: api.Link{
			Spec:   api.LinkSpec{Name: name, ID: new(uint32(i)), DstPort: new(uint16(4789)), Trunk: new("tr0"), VLAN: new(uint16(10 + 10*i))},
			Netdev: api.Netdev{Index: 4, Name: name, MAC: "02:00:00:00:00:01"},
		}})
	}
	got := string(migrate.ToIPRoute2(links))
	if strings.Contains(got, "02:00:00:00:00:01") {
		t.Errorf("two devices get one MAC address:\n%s", got)
	}
	for _, want := range []string{"vxlan10 was VLAN 10 of tr0", "bridge vlan add dev vxlan20 vid 20 pvid untagged"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// TestExportReserved: a mask of reserved bits is not lost in silence, and the comment has the word of newer kernels for it.
func TestExportReserved(t *testing.T) {
	for reserved, word := range map[string]string{"drop": "", "ignore": "reserved_bits 0 ", "0xff": "reserved_bits 0xff ", "0x8000000000000000": "reserved_bits 0x8000000000000000 "} {
		l := migrate.Link{Link: api.Link{Spec: api.LinkSpec{Name: "vx0", DstPort: new(uint16(4789)), Reserved: &reserved}}}
		got, want := string(migrate.ToIPRoute2([]migrate.Link{l})), word != ""
		if strings.Contains(got, "reserved "+reserved) != want || strings.Contains(got, "reserved_bits") != want || !strings.Contains(got, word) {
			t.Errorf("reserved %s in a comment: want %v with %q:\n%s", reserved, want, word, got)
		}
	}
}

// TestExportLeavesOutControllers: what a controller put in it puts in again, and the kernel has neither noflood nor sticky
// of a VXLAN device: they are left out, with a comment.
func TestExportLeavesOutControllers(t *testing.T) {
	l := migrate.Link{Link: api.Link{Spec: api.LinkSpec{Name: "vx0"}, Netdev: api.Netdev{Name: "vx0"}}, FDB: []api.FDBEntry{
		{Dev: "vx0", MAC: "02:00:00:00:00:01", Dst: netip.MustParseAddr("192.0.2.2"), State: api.Static, ExternLearn: true, Owner: "c", Generation: 1},
		{Dev: "vx0", MAC: "00:00:00:00:00:00", Dst: netip.MustParseAddr("192.0.2.3"), State: api.Permanent, NoFlood: true},
		{Dev: "vx0", MAC: "02:00:00:00:00:04", State: api.Permanent, Sticky: true},
	}}
	got := string(migrate.ToIPRoute2([]migrate.Link{l}))
	if strings.Contains(got, "192.0.2.2") || strings.Contains(got, "192.0.2.3") || !strings.Contains(got, "controllers left out: 1") || !strings.Contains(got, "noflood left out: 1") ||
		strings.Contains(got, "02:00:00:00:00:04") || !strings.Contains(got, "sticky entries left out: 1") {
		t.Error(got)
	}
}

// TestExportSaysEveryWord: a setting that is not the kernel's is in the command, or a comment tells that it is lost.
func TestExportSaysEveryWord(t *testing.T) {
	for _, w := range words.Table() {
		for _, value := range w.Samples {
			if w.Owner == words.Device || value == w.Kernel || w.Name == "queues" || w.Name == "vlan" {
				continue // what is the device's is of another test, and a VLAN is its trunk's
			}
			_, change, err := config.ParseLinkSet(append([]string{"vx0"}, w.With(value)...), words.AnyFamily)
			if err != nil {
				t.Errorf("%s: %v", w.With(value), err)
				continue
			}
			script := string(migrate.ToIPRoute2([]migrate.Link{{Link: api.Link{Spec: change.LinkSpec, Netdev: api.Netdev{Name: "vx0"}}}}))
			want := strings.Join(w.With(value), " ")
			if other, ok := w.Instead[value]; ok {
				want = w.Name + " " + other[0]
			}
			if w.Name == "trunk" {
				want = "VLAN 0 of trunk0"
			}
			if !strings.Contains(script, want) {
				t.Errorf("no %q in\n%s", want, script)
			}
		}
	}
}
