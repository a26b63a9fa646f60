package book

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRead: a block is taken with the comment above it, and one without is refused.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	page := func(text string) ([]Block, error) {
		if err := os.WriteFile(filepath.Join(dir, "x.md"), []byte(strings.ReplaceAll(text, "'''", "```")), 0o600); err != nil {
			t.Fatal(err)
		}
		return Read(dir, "x.md")
	}
	blocks, err := page("# X\n<!-- run: a -->\n'''sh\none\ntwo\n'''\n\n<!-- prints -->\n\n'''\nthree\n'''\n<!-- file: b /etc/x -->\n'''yaml\n'''\n<!-- not run: it is long -->\n'''sh name\nx\n'''\n")
	if err != nil || len(blocks) != 4 {
		t.Fatalf("%v: %v", blocks, err)
	}
	if b := blocks[0]; b.Do != Run || b.Arg != "a" || b.Text != "one\ntwo\n" || b.Lang != "sh" || b.String() != "docs/x.md:3" {
		t.Errorf("%+v", b)
	}
	if b := blocks[1]; b.Do != Prints || b.Text != "three\n" {
		t.Errorf("%+v", b)
	}
	if b := blocks[2]; b.Do != File || b.Arg != "b /etc/x" {
		t.Errorf("%+v", b)
	}
	if b := blocks[3]; b.Do != NotRun || b.Arg != "it is long" {
		t.Errorf("%+v", b)
	}
	for text, want := range map[string]string{
		"'''sh\nx\n'''\n": "docs/x.md:1: nothing says who runs this block",
		"<!-- run: a -->\ntext between\n'''sh\nx\n'''\n": "docs/x.md:3: nothing says who runs this block",
		"<!-- run: a -->\n'''\nx\n'''\n'''\ny\n'''\n":    "docs/x.md:5: nothing says",
		"<!-- run: everybody -->\n'''\nx\n'''\n":         "names no host",
		"<!-- file: a x.yaml -->\n'''\nx\n'''\n":         "names no file",
		"<!-- not run -->\n'''\nx\n'''\n":                "does not say by whom, or why",
		"<!-- run: a -->\n'''\nx\n":                      "the block has no end",
	} {
		if _, err := page(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
