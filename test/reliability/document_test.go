package reliability_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocument: each promise of docs/reliability.md names tests that exist, in the package that it says, a figure, and the
// command that measures it.
func TestDocument(t *testing.T) {
	const root = "../.."
	text, err := os.ReadFile(filepath.Join(root, "docs", "reliability.md"))
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`((?:(?:Test|Fuzz|Benchmark)[A-Za-z0-9]+[, ]*)+)\(([a-z/.]+)`)
	rows := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.ReplaceAll(strings.TrimSpace(line), `\|`, "¦"), "|"), "|")
		if !strings.HasPrefix(line, "|") || len(cells) != 4 || strings.Contains(cells[0], "---") || strings.TrimSpace(cells[0]) == "promise" {
			if strings.HasPrefix(line, "|") && len(cells) != 4 {
				t.Errorf("a row of %d cells: %s", len(cells), line)
			}
			continue
		}
		rows++
		for i, what := range []string{"a promise", "a test", "a figure", "a command"} {
			if strings.TrimSpace(cells[i]) == "" {
				t.Errorf("%s is missing: %s", what, line)
			}
		}
		lists := list.FindAllStringSubmatch(cells[1], -1)
		if len(lists) == 0 && !strings.Contains(cells[1], "`") {
			t.Errorf("no test (package) is named: %s", line)
		}
		for _, m := range lists {
			there := testsOf(t, filepath.Join(root, m[2]))
			for _, name := range regexp.MustCompile("[A-Za-z0-9]+").FindAllString(m[1], -1) {
				if !there[name] {
					t.Errorf("%s has no %s", m[2], name)
				}
			}
		}
	}
	if rows < 10 {
		t.Errorf("%d promises were read", rows)
	}
}

// testsOf are the tests of a directory, of every system.
func testsOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				all[fn.Name.Name] = true
			}
		}
	}
	return all
}
