package forward_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// dataPath is where frames may end: files, and the functions that are the data path's,
// nil for all.
func dataPath() map[string][]string {
	return map[string][]string{
		"forward.go":                        nil,
		"outbatch.go":                       nil,
		"portbatch.go":                      nil,
		"admit.go":                          nil,
		"handover.go":                       {"hand", "handOver"},
		"trunk.go":                          {"Forward", "give"},
		"pace.go":                           {"floods"},
		"learn.go":                          nil,
		"../../tap/queue_linux.go":          {"readReady", "take"},
		"../../underlay/readbatch_linux.go": {"ReadBatch", "datagrams"},
	}
}

// goesOn are the exits with which no frame ends that is not counted: by function, a
// part of the condition, "" for any, and what becomes of the frame.
func goesOn() map[string]map[string]string {
	return map[string]map[string]string{
		"floodRun":     {"": "the run of frames ends, none of them does"},
		"forward":      {"o.one != nil": "it is sent"},
		"prepare":      {"w.answers(": "answers counts it"},
		"destinations": {"": "a way is found"},
		"held":         {"": "learn counts it"},
		"lane":         {"": "a way is chosen"},
		"send":         {"r.Bypass": "it is handed over"},
		"settle":       {"mustGo(p)": "it is sent again"},
		"Relearn":      {"": "it is an entry of before, no frame"},
		"packet":       {"w.next(": "next took it", "t.port.full()": "it is delivered"},
		"next":         {"": "packet takes it"},
		"keep":         {"": "it is delivered"},
		"deliver":      {"b == nil": "there is none"},
		"turnTo":       {"": "no frame ends"},
		"give":         {"n == 0": "there is none"},
		"of":           {"": "a batch is found"},
		"batchOf":      {"": "a batch is found"},
		"sendAgain":    {"": "settle counts it"},
		"Forward":      {"d.SegSize": "packet takes it", "!w.isTrain(": "isTrain counts it"},
		"readReady":    {"q.spin": "there is none", "EAGAIN": "there is none"},
		"ReadBatch":    {"": "there is none, or they are read"},
		"datagrams":    {"MSG_TRUNC": "ReadBatch counts it", "!source(": "ReadBatch counts it"},
		"take":         {"": "readReady counts it"},
	}
}

// TestEveryExitIsCounted walks the data path: an exit, by return or continue, under a
// condition, either counts a drop, says the reason to its caller, or is known to end
// no frame.
func TestEveryExitIsCounted(t *testing.T) {
	exits := 0
	for name, functions := range dataPath() {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || functions != nil && !slices.Contains(functions, f.Name.Name) {
				continue
			}
			w := exitWalk{set: set, fn: f}
			w.body("", f.Body.List)
			for _, e := range w.exits {
				exits++
				known := false
				for part := range goesOn()[f.Name.Name] {
					known = known || strings.Contains(e.condition, part)
				}
				if !e.counted && !known {
					t.Errorf("%s: an exit of %s where %q counts no drop reason", set.Position(e.at), f.Name.Name, e.condition)
				}
			}
		}
	}
	if exits < 50 {
		t.Errorf("%d exits were found: the walk does not see them", exits)
	}
}

// exit is a way out of a function under a condition.
type exit struct {
	condition string
	counted   bool
	at        token.Pos
}

type exitWalk struct {
	set   *token.FileSet
	fn    *ast.FuncDecl
	exits []exit
}

func (w *exitWalk) text(n ast.Node) string {
	var b bytes.Buffer
	_ = printer.Fprint(&b, w.set, n)
	return strings.Join(strings.Fields(b.String()), " ")
}

// counts matches a statement that counts a drop, or a return that says its reason.
var counts = regexp.MustCompile(`\.drop(Copy)?\(|drops\[|\.unreadable\.Add\(|\.Count\(|return (Rx|Tx)[A-Z]\w*, refused|return (r|reason), refused`)

// body walks the statements under a condition.
func (w *exitWalk) body(condition string, list []ast.Stmt) {
	counted := false
	for _, s := range list {
		counted = counted || counts.MatchString(w.text(s)) && !nested(s)
		switch s := s.(type) {
		case *ast.ReturnStmt:
			if condition != "" && !delivers(w.text(s)) {
				w.exits = append(w.exits, exit{condition, counted, s.Pos()})
			}
		case *ast.BranchStmt:
			if condition != "" {
				w.exits = append(w.exits, exit{condition, counted, s.Pos()})
			}
		case *ast.IfStmt:
			c := w.text(s.Cond)
			if s.Init != nil {
				c = w.text(s.Init) + "; " + c
			}
			w.body(c, s.Body.List)
			if b, ok := s.Else.(*ast.BlockStmt); ok {
				w.body("not "+c, b.List)
			} else if i, ok := s.Else.(*ast.IfStmt); ok {
				w.body("", []ast.Stmt{i})
			}
		case *ast.ForStmt:
			w.body("", s.Body.List)
		case *ast.RangeStmt:
			w.body("", s.Body.List)
		case *ast.SwitchStmt:
			for _, c := range s.Body.List {
				clause := c.(*ast.CaseClause)
				label := "default"
				if len(clause.List) > 0 {
					label = "case " + w.text(clause.List[0])
				}
				w.body(label, clause.Body)
			}
		}
	}
}

// nested reports whether s has statements of its own, which are walked by themselves.
func nested(s ast.Stmt) bool {
	switch s.(type) {
	case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt, *ast.SwitchStmt:
		return true
	}
	return false
}

// delivers reports whether a return says that the frame goes on.
func delivers(text string) bool {
	return text == "return true" || strings.HasPrefix(text, "return 0, ")
}
