package conformance

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/vtep/forward"
)

const document = "../../docs/conformance.md"

func readDocument(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// testFunctions are the tests of this package, those of other systems included.
func testFunctions(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}

// TestDocumentNamesTests: each behaviour has a row, each row a test of its own
// name that exists, and each such test a row.
func TestDocumentNamesTests(t *testing.T) {
	text, exist := readDocument(t), testFunctions(t)
	rows, named := map[string]bool{}, map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([A-Z]\d+) \|[^|\n]*\|([^|\n]*)\|[^|\n]*\|[^|\n]*\|$`).FindAllStringSubmatch(text, -1) {
		id, tests := row[1], strings.Fields(row[2])
		if rows[id] {
			t.Errorf("%s has two rows", id)
		}
		rows[id] = true
		if len(tests) == 0 {
			t.Errorf("%s has no test", id)
		}
		for _, name := range tests {
			named[name] = true
			if !exist[name] {
				t.Errorf("%s: there is no test %s", id, name)
			}
			if !strings.HasPrefix(name, "Test"+id) {
				t.Errorf("%s: %s is not found by -run Test%[1]s", id, name)
			}
		}
	}
	for prefix, last := range map[string]int{"C": 16, "L": 21, "S": 6} {
		for n := range last {
			if id := fmt.Sprintf("%s%02d", prefix, n+1); !rows[id] {
				t.Errorf("%s has no row", id)
			}
		}
	}
	for _, id := range []string{"T1", "T2", "T3", "T4", "T5", "M1", "M2", "M3"} {
		if !rows[id] {
			t.Errorf("%s has no row", id)
		}
	}
	for name := range exist {
		if regexp.MustCompile(`^Test[A-Z]\d`).MatchString(name) && !named[name] {
			t.Errorf("%s stands in no row", name)
		}
	}
}

// TestDocumentNamesDropReasons: every reason has a row that says what its About
// says, and there are no others.
func TestDocumentNamesDropReasons(t *testing.T) {
	rows := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([tr]x-[a-z-]+)`[ *\\\\]*\\| (.*) \\|$").FindAllStringSubmatch(readDocument(t), -1) {
		rows[row[1]] = row[2]
	}
	for _, reason := range forward.DropReasons() {
		about, ok := rows[reason.String()]
		if !ok || !strings.HasPrefix(about, reason.About()) {
			t.Errorf("the row of %s says %q, want it to begin with %q", reason, about, reason.About())
		}
		delete(rows, reason.String())
	}
	for name := range rows {
		t.Errorf("%s is no drop reason", name)
	}
	for _, name := range regexp.MustCompile("`([tr]x-[a-z-]+)`").FindAllStringSubmatch(readDocument(t), -1) {
		if !isReason(name[1]) {
			t.Errorf("%s is no drop reason", name[1])
		}
	}
}

func isReason(name string) bool {
	for _, r := range forward.DropReasons() {
		if r.String() == name {
			return true
		}
	}
	return false
}

// TestDocumentHasWords: each word of the link sentence, which LinkSpec has by
// name, is in the page.
func TestDocumentHasWords(t *testing.T) {
	text := readDocument(t)
	for f := range reflect.TypeFor[api.LinkSpec]().Fields() {
		word, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch word {
		case "name":
			continue
		case "proxylearn":
			word = "proxy learn"
		}
		if !regexp.MustCompile("(`|no| )" + regexp.QuoteMeta(word) + "(`|,| )").MatchString(text) {
			t.Errorf("%s is not in %s", word, document)
		}
	}
}
