package migrate_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uvtep/uvtep/internal/config"
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
	got, warnings, err := migrate.IPRoute2(read("links.json"), read("fdb.json"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(read("want.yaml")), string(got)); diff != "" {
		t.Errorf("the file (-want +got):\n%s", diff)
	}
	want := []string{
		"vx0: learned entries left out: 1; the link learns them again",
		"vx6: gpe true cannot be kept: uvtep has no such setting",
		"vxe: left out: external: uvtep has a VNI for each link",
	}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	name := filepath.Join(t.TempDir(), "imported.yaml")
	if err := os.WriteFile(name, got, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := config.ReadFile(name)
	if err != nil {
		t.Fatalf("config check refuses it:\n%v", err)
	}
	if len(f.Links) != 3 || len(f.Links[0].FDB) != 3 {
		t.Errorf("read as %d links, %d entries of the first; want 3 and 3", len(f.Links), len(f.Links[0].FDB))
	}
}

func TestIPRoute2Refuses(t *testing.T) {
	for _, c := range []struct{ links, fdb string }{{"", "[]"}, {"[]", "{"}, {"vx0: <UP>", "[]"}} {
		if got, _, err := migrate.IPRoute2([]byte(c.links), []byte(c.fdb)); err == nil {
			t.Errorf("links %q, fdb %q: no error but %q", c.links, c.fdb, got)
		}
	}
}
