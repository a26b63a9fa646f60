package main

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
