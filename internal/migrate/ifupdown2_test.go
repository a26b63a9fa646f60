package migrate_test

import (
	"path/filepath"
	"testing"

	"github.com/uvtep/uvtep/internal/migrate"
)

// TestIfUpDown2 imports stanzas, those of a file that is sourced with them.
func TestIfUpDown2(t *testing.T) {
	got, told, err := migrate.IfUpDown2(filepath.Join("testdata", "interfaces"))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "ifupdown2.yaml", string(got))
	golden(t, "ifupdown2.txt", lines(told))
	if f := loaded(t, got); len(f.Links) != 5 || len(f.Links[0].FDB) != 1 {
		t.Errorf("read as %d links, %d entries of the first; want 5 and 1", len(f.Links), len(f.Links[0].FDB))
	}
	if _, _, err := migrate.IfUpDown2(filepath.Join("testdata", "nowhere")); err == nil {
		t.Error("a file that is not there")
	}
}
