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
	got, warnings, err := migrate.IPRoute2(read("links.json"), read("fdb.json"))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "want.yaml", string(got))
	golden(t, "warnings.txt", lines(warnings))
	if f := loaded(t, got); len(f.Links) != 5 || len(f.Links[0].FDB) != 3 {
		t.Errorf("read as %d links, %d entries of the first; want 5 and 3", len(f.Links), len(f.Links[0].FDB))
	}
}

func TestIPRoute2Refuses(t *testing.T) {
	for _, c := range []struct{ links, fdb string }{{"", "[]"}, {"[]", "{"}, {"vx0: <UP>", "[]"}} {
		if got, _, err := migrate.IPRoute2([]byte(c.links), []byte(c.fdb)); err == nil {
			t.Errorf("links %q, fdb %q: no error but %q", c.links, c.fdb, got)
		}
	}
}
