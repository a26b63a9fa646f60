package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestImportIPRoute2 imports from files, with options cut short as ip takes them.
func TestImportIPRoute2(t *testing.T) {
	dir := filepath.Join("..", "..", "internal", "migrate", "testdata")
	words, err := normalise([]string{"import", "ip", filepath.Join(dir, "links.json"), filepath.Join(dir, "fdb.json")})
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(dir, "want.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var out, warnings bytes.Buffer
	root := newRootCommand(&app{out: &out, err: &warnings})
	root.SetArgs(words)
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("printed:\n%s\nwant:\n%s", out.Bytes(), want)
	}
	if want, err = os.ReadFile(filepath.Join(dir, "warnings.txt")); err != nil || !bytes.Equal(warnings.Bytes(), want) {
		t.Errorf("warned of:\n%s\nwant:\n%s%v", warnings.Bytes(), want, err)
	}
	if slices.Contains(words, "ip") {
		t.Errorf("the source was not completed: %q", words)
	}
}

// TestImportFiles imports from files of others, with a word cut short, and
// refuses what is not there.
func TestImportFiles(t *testing.T) {
	t.Chdir(filepath.Join("..", "..", "internal", "migrate"))
	for _, c := range []struct {
		args           []string
		status         int
		printed, noted string // files
	}{
		{[]string{"import", "netdev", "testdata/networkd"}, exitDone, "testdata/netdev.yaml", "testdata/netdev.txt"},
		{[]string{"imp", "if", "testdata/interfaces"}, exitDone, "testdata/ifupdown2.yaml", "testdata/ifupdown2.txt"},
		{[]string{"import", "netdev", "testdata/nowhere"}, exitRefused, "", ""},
		{[]string{"import", "ifupdown2", "testdata/nowhere"}, exitRefused, "", ""},
		{[]string{"import", "ifupdown2", os.DevNull}, exitNothing, "", ""},
		{[]string{"import", "ifupdown2", "testdata/interfaces", "more"}, exitUsage, "", ""},
		{[]string{"import", "iproute2", "one"}, exitUsage, "", ""},
		{[]string{"import"}, exitUsage, "", ""},
		{[]string{"import", "frr"}, exitUsage, "", ""},
	} {
		var out, noted bytes.Buffer
		if status := execute(t.Context(), c.args, &out, &noted); status != c.status {
			t.Errorf("uvtep %q: status %d, want %d: %s", c.args, status, c.status, noted.String())
		}
		if c.printed == "" {
			if out.Len() > 0 || bytes.Count(noted.Bytes(), []byte("\n")) != 1 {
				t.Errorf("uvtep %q: printed %q, said %q", c.args, out.String(), noted.String())
			}
			continue
		}
		for name, got := range map[string]*bytes.Buffer{c.printed: &out, c.noted: &noted} {
			want, err := os.ReadFile(name)
			if err != nil || !bytes.Equal(got.Bytes(), want) {
				t.Errorf("uvtep %q: not %s:\n%s%v", c.args, name, got.String(), err)
			}
		}
	}
}
