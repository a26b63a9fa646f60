package migrate_test

import (
	"path/filepath"
	"testing"

	"github.com/uvtep/uvtep/internal/migrate"
)

// TestNetDev imports files that systemd-networkd 252 reads: a directory, and one
// of its files with the .network files beside it.
func TestNetDev(t *testing.T) {
	got, told, err := migrate.NetDev([]string{filepath.Join("testdata", "networkd")})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "netdev.yaml", string(got))
	golden(t, "netdev.txt", lines(told))
	if f := loaded(t, got); len(f.Links) != 4 || len(f.Links[0].FDB) != 3 {
		t.Errorf("read as %d links, %d entries of the first; want 4 and 3", len(f.Links), len(f.Links[0].FDB))
	}

	got, _, err = migrate.NetDev([]string{filepath.Join("testdata", "networkd", "10-plain.netdev")})
	if err != nil {
		t.Fatal(err)
	}
	if f := loaded(t, got); len(f.Links) != 1 || *f.Links[0].Dev != "eth0" {
		t.Errorf("of one file:\n%s", got)
	}
	if _, _, err := migrate.NetDev([]string{filepath.Join("testdata", "nowhere")}); err == nil {
		t.Error("a directory that is not there")
	}
}
