package uvtep_test

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/internal/cli"
	"github.com/uvtep/uvtep/test/book"
)

// TestMain: this binary is the program where it is started by its name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "uvtep" {
		os.Exit(cli.Main())
	}
	os.Exit(m.Run())
}

const module = "github.com/uvtep/uvtep"

// listed is what `go list -json` says of a package.
type listed struct {
	ImportPath, Name, Doc, Dir string
	GoFiles, IgnoredGoFiles    []string
	Imports                    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Name,Doc,Dir,GoFiles,IgnoredGoFiles,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 { // not only tests
			all = append(all, p)
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPackageDocs(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// TestImportGraph holds the imports to the table in ARCHITECTURE.md.
func TestImportGraph(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| `([a-z/]+)` \\|([^|]*)\\|")
	name := regexp.MustCompile("`([a-z/]+)`")
	allowed := map[string][]string{}
	for _, m := range row.FindAllStringSubmatch(read(t, "ARCHITECTURE.md"), -1) {
		allowed[m[1]] = []string{}
		for _, n := range name.FindAllStringSubmatch(m[2], -1) {
			allowed[m[1]] = append(allowed[m[1]], n[1])
		}
	}
	for _, p := range packages(t) {
		dir := strings.TrimPrefix(p.ImportPath, module+"/")
		want, ok := allowed[dir]
		if !ok {
			t.Errorf("package %s has no row in ARCHITECTURE.md", dir)
			continue
		}
		got := []string{}
		for _, i := range p.Imports {
			if s, ok := strings.CutPrefix(i, module+"/"); ok {
				got = append(got, s)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s imports %v, ARCHITECTURE.md says %v", dir, got, want)
		}
	}
}

// TestReadingOrder holds the lists of vtep's and vtep/forward's files to the files: each is
// listed once, and none that is not there.
func TestReadingOrder(t *testing.T) {
	_, lists, _ := strings.Cut(read(t, "ARCHITECTURE.md"), "\nIn reading order. ")
	lists, _, _ = strings.Cut(lists, "\n\n")
	list := regexp.MustCompile("(?s)`(vtep[^`]*)`: (.*?\\))\\.")
	file := regexp.MustCompile("`([a-z]+)`")
	var found []string
	for _, m := range list.FindAllStringSubmatch(lists, -1) {
		found = append(found, m[1])
		var listed, are []string
		for _, f := range file.FindAllStringSubmatch(m[2], -1) {
			listed = append(listed, f[1]+".go")
		}
		slices.Sort(listed)
		all, err := filepath.Glob(m[1] + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range all {
			if name := filepath.Base(path); name != "doc.go" && !strings.HasSuffix(name, "_test.go") {
				are = append(are, name)
			}
		}
		if !slices.Equal(listed, are) {
			t.Errorf("%s has %v, ARCHITECTURE.md lists %v", m[1], are, listed)
		}
	}
	if want := []string{"vtep/forward", "vtep"}; !slices.Equal(found, want) {
		t.Errorf("ARCHITECTURE.md lists the files of %v, want %v", found, want)
	}
}

// TestProgramOfClient: a program that imports client is linked with api, the standard
// library and nothing else, and downloads no more: `go mod tidy` asks for what the tests
// of its imports need, too (docs/decisions/0011-what-client-costs.md).
func TestProgramOfClient(t *testing.T) {
	dir := t.TempDir()
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	text := "package main\n\nimport \"" + module + "/client\"\n\nfunc main() { client.New(client.DefaultPath).Close() }\n"
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", source).Output()
	if err != nil {
		t.Fatal(err)
	}
	ours := []string{module + "/api", module + "/client"}
	if got, want := strings.Fields(string(out)), append(ours, "command-line-arguments"); !slices.Equal(got, want) {
		t.Errorf("it is made of %q, want %q", got, want)
	}
	args := append([]string{"list", "-deps", "-test", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}"}, ours...)
	if out, err = exec.Command("go", args...).Output(); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if !slices.ContainsFunc(ours, func(p string) bool { return strings.HasPrefix(line, p) }) {
			t.Errorf("its download includes what tests import: %s", line)
		}
	}
	if out, err := exec.Command("go", "build", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range info.Deps {
		if m.Path != module {
			t.Errorf("module %s is linked", m.Path)
		}
	}
}

// TestReadingOrderOfTheBook: docs/README.md has each page of docs/, links of pages lead somewhere, and each block says
// who runs it (test/book).
func TestReadingOrderOfTheBook(t *testing.T) {
	pages, err := book.Pages("docs")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	index := read(t, "docs/README.md")
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	for _, page := range pages {
		if page != "README.md" && !strings.Contains(index, "]("+page+")") {
			t.Errorf("docs/README.md does not have %s", page)
		}
		for _, m := range link.FindAllStringSubmatch(read(t, "docs/"+page), -1) {
			if _, err := os.Stat(filepath.Join("docs", m[1])); err != nil {
				t.Errorf("docs/%s links to %s: %v", page, m[1], err)
			}
		}
		blocks, err := book.Read("docs", page)
		if err != nil {
			t.Error(err)
		}
		for i := range blocks {
			if by, _, _ := strings.Cut(blocks[i].Arg, " "); blocks[i].Do == book.RunBy {
				if _, err := os.Stat(by); err != nil {
					t.Errorf("%s: %v", &blocks[i], err)
				}
			}
		}
	}
}

// TestReadmeCommands checks that what the README tells to run exists.
func TestReadmeCommands(t *testing.T) {
	readme := read(t, "README.md")
	for _, want := range []string{"go run ./cmd/uvtep demo", "go test ./..."} {
		if !strings.Contains(readme, want) {
			t.Errorf("README.md does not say %q", want)
		}
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	for _, m := range link.FindAllStringSubmatch(readme, -1) {
		if _, err := os.Stat(m[1]); err != nil {
			t.Errorf("README.md links to %s: %v", m[1], err)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^uvtep (?:-[a-z] )*([a-z]+)(?: ([a-z]+))?`)
	block := regexp.MustCompile("(?s)```sh\n(.*?)```")
	var recipes strings.Builder
	for _, m := range block.FindAllStringSubmatch(readme, -1) {
		recipes.WriteString(m[1])
	}
	for _, m := range command.FindAllStringSubmatch(recipes.String(), -1) {
		args := []string{m[1], "--help"}
		if m[1] == "link" || m[1] == "fdb" || m[1] == "config" {
			args = []string{m[1], m[2], "--help"}
		}
		cmd := exec.Command(exe, args...)
		cmd.Args[0] = "uvtep"
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), m[1]) {
			t.Errorf("README.md says %q: uvtep %v: %v\n%s", m[0], args, err, out)
		}
	}
}

// goFiles calls fn with each source file of the repository that is no test.
func goFiles(t *testing.T, fn func(path string, file *ast.File, set *token.FileSet)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		fn(path, file, set)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestGoStatements keeps goroutines where ARCHITECTURE.md says they start.
func TestGoStatements(t *testing.T) {
	allowed := []string{"bench/soak/", "bgp/run.go", "control/", "internal/agent/", "internal/check/gather_linux.go", "internal/cli/", "internal/names/", "test/lab/", "test/load/", "vtep/run.go", "vtep/vteptest/", "tap/hub_linux.go"}
	goFiles(t, func(path string, file *ast.File, set *token.FileSet) {
		if slices.ContainsFunc(allowed, func(p string) bool { return strings.HasPrefix(path, p) }) {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a go statement outside the places that ARCHITECTURE.md allows", set.Position(n.Pos()))
			case *ast.CallExpr:
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Go" {
					t.Errorf("%s: a goroutine is started outside the places that ARCHITECTURE.md allows", set.Position(n.Pos()))
				}
			}
			return true
		})
	})
}

// TestUnsafe: unsafe pointers are for system calls that no library has. Parsers and codecs, of
// packets, files, requests and messages alike, have none.
func TestUnsafe(t *testing.T) {
	allowed := []string{
		"control/socket_linux.go",
		"internal/spin/watch_linux.go",
		"internal/ethtool/features_linux.go",
		"tap/clone_linux.go",
		"tap/queue_linux.go",
		"tap/write_linux.go",
		"underlay/buffers_linux.go",
		"underlay/builder_linux.go",
		"underlay/control_linux.go",
		"underlay/errqueue_linux.go",
		"underlay/flush_linux.go",
		"underlay/losses_linux.go",
		"underlay/message_linux.go",
		"underlay/readbatch_linux.go",
		"underlay/tune_linux.go",
		"underlay/tunnelgso/write_linux.go",
		"underlay/txring/ring_linux.go",
	}
	goFiles(t, func(path string, file *ast.File, _ *token.FileSet) {
		if strings.HasPrefix(path, "test/") || slices.Contains(allowed, path) {
			return
		}
		for _, i := range file.Imports {
			if i.Path.Value == `"unsafe"` {
				t.Errorf("%s imports unsafe: see what encoding/binary and golang.org/x/sys/unix have", path)
			}
		}
	})
}

// TestFileLength keeps each file to one idea.
func TestFileLength(t *testing.T) {
	goFiles(t, func(path string, file *ast.File, set *token.FileSet) {
		if n := set.Position(file.FileEnd).Line; n > 400 {
			t.Errorf("%s has %d lines, more than 400", path, n)
		}
	})
}
