package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExport exports a file, whole and in part, and says what cannot be.
func TestExport(t *testing.T) {
	dir := filepath.Join("..", "..", "internal", "migrate", "testdata")
	file, socket := filepath.Join(dir, "export.yaml"), filepath.Join(t.TempDir(), "s")
	want, err := os.ReadFile(filepath.Join(dir, "export.sh"))
	if err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(broken, []byte("links:\n  - {name: x, id: y}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args        []string
		status      int
		out, errors string // parts
	}{
		{[]string{"export", "--to", "iproute2", "--config", file}, exitDone, string(want), ""},
		{[]string{"exp", "-to", "iproute2", "vx1", "-config", file}, exitDone, "ip link add name vx1 ", ""},
		{[]string{"export", "--to=iproute2", "--config=" + file, "vx9"}, exitRefused, "", "no link vx9"},
		{[]string{"export", "--config", file}, exitUsage, "", "--to iproute2"},
		{[]string{"export", "--to", "netdev", "--config", file}, exitUsage, "", "--to iproute2"},
		{[]string{"export", "--to"}, exitUsage, "", "--to needs"},
		{[]string{"export", "--to", "iproute2", "--config", broken}, exitUsage, "", broken + ":2:19: "},
		{[]string{"export", "--to", "iproute2", "--control", socket}, exitNotRunning, "", socket},
	} {
		var out, errors bytes.Buffer
		status := execute(t.Context(), c.args, &out, &errors)
		if status != c.status || !strings.Contains(out.String(), c.out) || !strings.Contains(errors.String(), c.errors) {
			t.Errorf("uvtep %q: status %d, want %d\n%s%s", c.args, status, c.status, out.String(), errors.String())
		}
		if c.out == "" && out.Len() > 0 || c.errors == "" && errors.Len() > 0 {
			t.Errorf("uvtep %q: printed %q and %q", c.args, out.String(), errors.String())
		}
	}
	var out bytes.Buffer
	if execute(t.Context(), []string{"export", "--to", "iproute2", "--config", file, "vx1"}, &out, &out); strings.Contains(out.String(), "vx0") {
		t.Errorf("a link that was not named:\n%s", out.String())
	}
}
