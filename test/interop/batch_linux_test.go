package interop_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestBatch gives the same files to `ip -batch`, `bridge -batch` and `uvtep
// -batch`: what they leave, how far they get and whether they succeed.
func TestBatch(t *testing.T) {
	t.Parallel()
	theirs, ours := speakers(t)
	dir := t.TempDir()
	entries := func(s *speaker) []string {
		out, status := s.say(t, "bridge fdb show dev vx1")
		if status != 0 {
			t.Fatal(out)
		}
		return slices.Collect(strings.Lines(out))
	}
	for _, step := range []struct{ name, tool, options, text string }{
		{"links", "ip", "", "# two links\n\nlink add vx1 type vxlan id 42 \\\n  dstport 4789 dev eth0 " + sameDefaults +
			"\nlink add 'vx2' type \"vxlan\" id 43 dstport 4789 dev eth0\nlink set vx1 up\n"},
		{"entries", "bridge", "", "fdb add 02:00:00:00:00:01 dev vx1 dst 192.0.2.7 self static\n" +
			"fdb append 00:00:00:00:00:00 dev vx1 dst 192.0.2.7\nfdb append 00:00:00:00:00:00 dev vx1 dst 192.0.2.8\n"},
		{"stops", "bridge", "", "fdb add 02:00:00:00:00:02 dev vx1 dst 192.0.2.7\nfdb add 02:00:00:00:00:01 dev vx1 dst 192.0.2.7\n" +
			"fdb add 02:00:00:00:00:03 dev vx1 dst 192.0.2.7\n"},
		{"goes on", "bridge", "-force ", "fdb add 02:00:00:00:00:01 dev vx1 dst 192.0.2.7\nfdb add 02:00:00:00:00:04 dev vx1 dst 192.0.2.7\n"},
		{"usage", "bridge", "", "fdb add banana dev vx1 dst 192.0.2.7\nfdb add 02:00:00:00:00:05 dev vx1 dst 192.0.2.7"},
		{"an option for all", "bridge", "-s ", "fdb show dev vx2\n"},
		{"nothing", "bridge", "", ""},
		{"no file", "bridge", "", "-"},
		{"ends in a command", "bridge", "", "fdb del 02:00:00:00:00:04 dev vx1"},
	} {
		file := filepath.Join(dir, strings.ReplaceAll(step.name, " ", "-"))
		if step.text != "-" {
			check(t, os.WriteFile(file, []byte(step.text), 0o600))
		}
		line := step.tool + " " + step.options + "-batch " + file
		want, wantStatus := theirs.say(t, line)
		got, status := ours.say(t, line)
		if got != want || status != wantStatus {
			t.Errorf("%s\nkernel: status %d\n%s\nuvtep: status %d\n%s", line, wantStatus, want, status, got)
		}
		if want, got := entries(theirs), entries(ours); !slices.Equal(want, got) {
			t.Errorf("%s left\nkernel %q\nuvtep  %q", step.name, want, got)
		}
	}
}
