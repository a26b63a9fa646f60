package migrate_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/uvtep/uvtep/internal/migrate"
)

// TestIPRoute2 imports what iproute2 printed of a kernel 6.18, and reads the
// result as the daemon does.
func TestIPRoute2(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	got, warnings, err := migrate.IPRoute2(read("links.json"), read("fdb.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "want.yaml", string(got))
	golden(t, "warnings.txt", lines(warnings))
	if f := loaded(t, got); len(f.Links) != 5 || len(f.Links[0].FDB) != 3 {
		t.Errorf("read as %d links, %d entries of the first; want 5 and 3", len(f.Links), len(f.Links[0].FDB))
	}
}

// TestIPRoute2Hidden: what an old ip does not print is taken from the kernel,
// what it prints is not.
func TestIPRoute2Hidden(t *testing.T) {
	const links = `[{"ifname":"a","mtu":1400,"address":"02:00:00:00:00:01","linkinfo":{"info_kind":"vxlan","info_data":{"id":1,"remote6":"fd00::1","port":4789,"label":"0x0","localbypass":true}}},
		{"ifname":"b","mtu":1400,"address":"02:00:00:00:00:01","linkinfo":{"info_kind":"vxlan","info_data":{"id":2,"remote":"192.0.2.1","port":4790,"gbp":true}}},
		{"ifname":"c","mtu":1400,"address":"02:00:00:00:00:01","linkinfo":{"info_kind":"vxlan","info_data":{"id":3,"remote":"192.0.2.1","port":4791}}}]`
	const fdb = `[{"mac":"00:00:00:00:00:00","ifname":"a","dst":"fd00::1","flags":["self"],"state":"permanent"},
		{"mac":"00:00:00:00:00:00","ifname":"b","dst":"192.0.2.1","flags":["self"],"state":"permanent"},
		{"mac":"00:00:00:00:00:00","ifname":"c","dst":"192.0.2.1","flags":["self"],"state":"permanent"}]`
	got, told, err := migrate.IPRoute2([]byte(links), []byte(fdb), migrate.Hidden{
		"a": {"localbypass": false, "flowlabel": "inherit", "reserved_bits": "0xf7ffffff000000ff"},
		"b": {"localbypass": false, "reserved_bits": "0x77000000000000ff"},
		"c": {"reserved_bits": "0x0", "mcroute": true},
	})
	if err != nil {
		t.Fatal(err)
	}
	f := loaded(t, got)
	for i, want := range []struct {
		reserved string
		bypass   *bool
	}{{"drop", new(true)}, {"drop", new(false)}, {"ignore", nil}} {
		if l := f.Links[i]; *l.Reserved != want.reserved || (l.LocalBypass == nil) != (want.bypass == nil) || want.bypass != nil && *l.LocalBypass != *want.bypass {
			t.Errorf("link %s: reserved %s, want %s; the file is\n%s", l.Name, *l.Reserved, want.reserved, got)
		}
	}
	if l := f.Links[0].FlowLabel; l == nil || *l != "inherit" {
		t.Errorf("no flowlabel inherit:\n%s", got)
	}
	if len(told) != 1 || told[0] != "c: mcroute true cannot be kept: uvtep has no such setting" {
		t.Errorf("told: %q", told)
	}
}

func TestIPRoute2Refuses(t *testing.T) {
	for _, c := range []struct{ links, fdb string }{{"", "[]"}, {"[]", "{"}, {"vx0: <UP>", "[]"}} {
		if got, _, err := migrate.IPRoute2([]byte(c.links), []byte(c.fdb), nil); err == nil {
			t.Errorf("links %q, fdb %q: no error but %q", c.links, c.fdb, got)
		}
	}
}
