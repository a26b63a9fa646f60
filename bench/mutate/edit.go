package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mutant is one edit.
type mutant struct {
	n        int
	file     string
	line     int
	function string
	what     string
}

func (m *mutant) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", m.file, m.line, m.function, m.what)
}

// key is how equivalent.txt names an edit: without its line, which changes.
func (m *mutant) key() string { return fmt.Sprintf("%s: %s: %s", m.file, m.function, m.what) }

// insert is text that goes into a file.
type insert struct {
	at   int
	text string
}

// editor makes the edits of one file.
type editor struct {
	s        *suite
	file     string
	src      []byte
	set      *token.FileSet
	function string
	opens    []insert
	closes   []insert // innermost last
}

// editFile edits FILE or FILE:FUNCTION,... and returns the text.
func (s *suite) editFile(spec string) ([]byte, error) {
	name, only, _ := strings.Cut(spec, ":")
	src, err := os.ReadFile(filepath.Join(s.root, name))
	if err != nil {
		return nil, err
	}
	e := &editor{s: s, file: name, src: src, set: token.NewFileSet()}
	f, err := parser.ParseFile(e.set, name, src, 0)
	if err != nil {
		return nil, err
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil || only != "" && !slices.Contains(strings.Split(only, ","), fn.Name.Name) {
			continue
		}
		e.function = fn.Name.Name
		ast.Inspect(fn.Body, e.visit)
	}
	return e.text(), nil
}

func (e *editor) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IfStmt:
		e.wrap(n.Cond, "false for `%s`", "&& !")
	case *ast.SwitchStmt:
		if n.Tag == nil {
			for _, c := range n.Body.List {
				for _, x := range c.(*ast.CaseClause).List {
					e.wrap(x, "false for case `%s`", "&& !")
				}
			}
		}
	case *ast.BinaryExpr:
		switch n.Op { //nolint:exhaustive // the others have no operand that is a condition
		case token.LAND:
			e.operands(n, "|| ")
		case token.LOR:
			e.operands(n, "&& !")
		}
	}
	return true
}

// operands takes each operand of n out that is no such expression itself, of
// which visit hears as well.
func (e *editor) operands(n *ast.BinaryExpr, with string) {
	for _, x := range []ast.Expr{n.X, n.Y} {
		if b, ok := x.(*ast.BinaryExpr); !ok || b.Op != n.Op {
			e.wrap(x, "without `%s`", with)
		}
	}
}

// wrap has x be what op makes of it while the mutant is on. The switch is looked at
// only where it makes a difference.
func (e *editor) wrap(x ast.Expr, what, op string) {
	from, to := e.set.Position(x.Pos()), e.set.Position(x.End())
	n := len(e.s.mutants) + 1
	text := strings.Join(strings.Fields(string(e.src[from.Offset:to.Offset])), " ")
	e.s.mutants = append(e.s.mutants, &mutant{n: n, file: e.file, line: from.Line, function: e.function, what: fmt.Sprintf(what, text)})
	e.opens = append(e.opens, insert{from.Offset, "(("})
	e.closes = append(e.closes, insert{to.Offset, fmt.Sprintf(") %smutant(%d))", op, n)})
}

// text is the file with what was inserted: of what ends at one place the
// innermost first, of what begins there the outermost, which looks alike.
func (e *editor) text() []byte {
	slices.Reverse(e.closes)
	all := append(e.closes, e.opens...)
	slices.SortStableFunc(all, func(a, b insert) int { return a.at - b.at })
	var out bytes.Buffer
	at := 0
	for _, i := range all {
		out.Write(e.src[at:i.at])
		out.WriteString(i.text)
		at = i.at
	}
	out.Write(e.src[at:])
	return out.Bytes()
}

// hook is the file that the edited package gets: mutant says whether an edit is on,
// and notes, in a file that outlives the process, that it was asked.
const hook = `package %s

import (
	"os"
	"strconv"
	"syscall"
)

var mutantOn, mutantSeen = mutantSetup()

func mutantSetup() (int, []byte) {
	seen := make([]byte, %d)
	if fd, err := syscall.Open(os.Getenv("MUTANT_SEEN"), syscall.O_RDWR|syscall.O_CLOEXEC, 0); err == nil {
		if m, err := syscall.Mmap(fd, 0, len(seen), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED); err == nil {
			seen = m
		}
		_ = syscall.Close(fd)
	}
	n, _ := strconv.Atoi(os.Getenv("MUTANT"))
	return n, seen
}

func mutant(n int) bool {
	if mutantSeen[n] == 0 {
		mutantSeen[n] = 1
	}
	return n == mutantOn
}
`
