package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestBatchWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":                            nil,
		" \t # fdb":                   nil,
		"link add  vx1\ttype vxlan ":  {"link", "add", "vx1", "type", "vxlan"},
		`link "add" 'vx 1'`:           {"link", "add", "vx 1"},
		"fdb show # of all the links": {"fdb", "show"},
		"a#b":                         {"a#b"},
	} {
		if got, err := batchWords(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", line, got, err, want)
		}
	}
	if got, err := batchWords(`link "add`); err == nil {
		t.Errorf("a quote without its end was taken: %q", got)
	}
}

// TestBatchStatus: the place and the status of what failed first, and no batch
// that runs itself.
func TestBatchStatus(t *testing.T) {
	file := filepath.Join(t.TempDir(), "batch")
	for _, tt := range []struct {
		text, options, stderr string
		status                int
	}{
		{"version\n", "", "", exitDone},
		{"version\n\n# no\nlink \\\n banana\nlink show", "", ":4: unknown command", exitUsage},
		{"version\nlink show\nlink banana", "-force", ":2: no uvtep daemon", exitNotRunning},
		{"-b " + file, "", "no batch of its own", exitUsage},
		{"run vx1 id 1", "", "no daemon", exitUsage},
		{"-j", "", "no command", exitUsage},
	} {
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		args := append(strings.Fields(tt.options), "--control", "/nowhere", "-b", file)
		if status := execute(t.Context(), args, &out, &errs); status != tt.status || !strings.Contains(errs.String(), tt.stderr) {
			t.Errorf("%q: status %d, %q, want %d, %q", tt.text, status, errs.String(), tt.status, tt.stderr)
		}
	}
}
