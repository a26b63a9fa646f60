package state

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// TestFullDisk: where the disk has no room for a state, that is logged, what was saved before stays and can be read, and
// the state is saved again once there is room.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=256k,mode=0700")
	if errors.Is(err, unix.EPERM) {
		t.Skip("a file system of its own takes root: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	d, err := Open(filepath.Join(disk, "state"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	now := sample()
	var log bytes.Buffer
	s := NewSaver(d, func() (*State, int, error) { return now, 0, nil }, slog.New(slog.NewTextHandler(&log, nil)))
	s.Save()
	saved := func(entries int) {
		t.Helper()
		made, learned, err := d.Load()
		if err != nil || made == nil || learned == nil || len(learned.Entries) != entries {
			t.Fatalf("made %v, learned %v, %v; want %d entries that were learned", made, learned, err, entries)
		}
	}
	saved(1)
	if log.Len() > 0 {
		t.Fatal(log.String())
	}
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 200<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	large := sample()
	for i := range 1 << 13 { // 128 KiB
		large.Entries = append(large.Entries, Entry{MAC: encap.MAC{2, 1, 0, 0, byte(i >> 8), byte(i)}, State: fdb.Dynamic})
	}
	now = large
	for range 3 {
		s.Save()
	}
	if text := log.String(); strings.Count(text, "no space left on device") != 1 || !strings.Contains(text, "the state cannot be saved") {
		t.Errorf("a full disk is not told once:\n%s", text)
	}
	saved(1)
	if left, err := filepath.Glob(filepath.Join(disk, "state", "*"+newSuffix)); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s.Save()
	saved(1 + 1<<13)
	if !strings.Contains(log.String(), "the state is saved again") {
		t.Errorf("that there is room again is not told:\n%s", log.String())
	}
}
