package config

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parseYAML reads a file's one document, nil where there is nothing in it.
// Anchors, aliases and tags are refused: what stands in a file is what it says.
func parseYAML(name string, data []byte) (*node, *FileError) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // a byte order mark, YAML 1.2 section 5.2
	if err := checkUTF8(name, data); err != nil {
		return nil, err
	}
	f, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxError(name, err)
	}
	y := &yamlReader{file: name}
	var root *node
	for _, doc := range f.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		n := y.node(doc.Body)
		if root != nil && y.err == nil {
			y.refuse(doc.Body, "a configuration file is one document: leave out the line ---")
		}
		root = n
	}
	return root, y.err
}

// checkUTF8 finds what is no UTF-8, which the library lets pass.
func checkUTF8(name string, data []byte) *FileError {
	for line, text := range bytes.Split(data, []byte("\n")) {
		if utf8.Valid(text) {
			continue
		}
		column := 1
		for r, n := utf8.DecodeRune(text); r != utf8.RuneError || n != 1; r, n = utf8.DecodeRune(text) {
			text = text[n:]
			column++
		}
		return &FileError{Place: Place{File: name, Line: line + 1, Column: column}, Message: "no YAML: this byte is no UTF-8; save the file as UTF-8"}
	}
	return nil
}

// syntaxError is what the parser says, with its place.
func syntaxError(name string, err error) *FileError {
	e := &FileError{Place: Place{File: name, Line: 1, Column: 1}}
	message := err.Error()
	if syntax, ok := errors.AsType[*yaml.SyntaxError](err); ok {
		message = syntax.Message
		if p := syntax.Token; p != nil && p.Position != nil {
			e.Place.Line, e.Place.Column = p.Position.Line, p.Position.Column
		}
	}
	e.Message = "no YAML: " + strings.Join(strings.Fields(message), " ") + "; write KEY: VALUE, lists with a dash and a space, and blanks, no tabs, to indent"
	return e
}

// yamlReader turns the library's tree into nodes.
type yamlReader struct {
	file string
	err  *FileError // the first
}

func (y *yamlReader) at(t *token.Token) Place {
	return Place{File: y.file, Line: t.Position.Line, Column: t.Position.Column}
}

func (y *yamlReader) refuse(n ast.Node, message string) *node {
	p := y.at(first(n))
	if y.err == nil {
		y.err = &FileError{Place: p, Message: message}
	}
	return &node{place: p}
}

// first is where a value begins: a block mapping's token is the colon of its
// first key.
func first(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return first(n.Values[0])
		}
	case *ast.MappingValueNode:
		return first(n.Key)
	}
	return n.GetToken()
}

func (y *yamlReader) node(n ast.Node) *node {
	out := &node{place: y.at(first(n))}
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.MappingNode:
		out.kind = mappingNode
		for _, v := range n.Values {
			out.pairs = append(out.pairs, y.pair(v))
		}
	case *ast.MappingValueNode:
		out.kind = mappingNode
		out.pairs = []pair{y.pair(n)}
	case *ast.SequenceNode:
		out.kind = listNode
		for _, v := range n.Values {
			out.items = append(out.items, y.node(v))
		}
	case *ast.LiteralNode:
		out.kind, out.text = scalarNode, strings.TrimSuffix(n.Value.Value, "\n")
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode, *ast.TagNode, *ast.DirectiveNode:
		return y.refuse(n, "anchors (&), aliases (*), merges (<<), tags (!) and directives (%) are not read: write the value itself")
	case ast.ScalarNode:
		t := n.GetToken()
		out.kind, out.text = scalarNode, t.Value
		out.plain = t.Type != token.SingleQuoteType && t.Type != token.DoubleQuoteType
	default:
		return y.refuse(n, "this is no value: write a word, a list or KEY: VALUE")
	}
	return out
}

func (y *yamlReader) pair(v *ast.MappingValueNode) pair {
	p := pair{key: y.node(v.Key)}
	if p.value = y.node(v.Value); p.value.kind == nullNode {
		p.value.place = p.key.place // what is not there stands nowhere
	}
	return p
}
