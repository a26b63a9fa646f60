package config

import (
	"bytes"
	"errors"
	"io"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxDepth is how deep values may be nested: a configuration file has six levels, down to a
// remote in the list of a link.
const maxDepth = 32

// parseYAML reads the one document of a file; nil: it is empty. Anchors, aliases and tags are
// refused, so that each value is where it is used.
func parseYAML(name string, data []byte) (*node, *FileError) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // a byte order mark, YAML 1.2 section 5.2
	if err := checkText(name, data); err != nil {
		return nil, err
	}
	y := &yamlReader{file: name}
	var root *node
	err := parse(data, func(doc *yaml.Node) bool {
		if len(doc.Content) == 0 || isNothing(doc.Content[0]) {
			return true
		}
		if root != nil {
			y.refuse(doc.Content[0], "a configuration file is one document: leave out the line ---")
			return false
		}
		root = y.node(doc.Content[0], 1)
		return y.err == nil
	})
	if err != nil {
		return nil, syntaxError(name, data, err)
	}
	return root, y.err
}

// isNothing reports whether there is no value: behind a key, or in a document of comments
// alone.
func isNothing(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null" && n.Style&yaml.TaggedStyle == 0 && n.Anchor == "" && n.Value == ""
}

// syntaxError is the parser's error at the line where the parser ended.
func syntaxError(name string, data []byte, err error) *FileError {
	lines := bytes.SplitAfter(data, []byte("\n"))
	at := whereParserEnds(data, lines, err.Error())
	text := lines[at-1]
	_, message, numbered := strings.Cut(err.Error(), ": ")
	if _, rest, ok := strings.Cut(message, ": "); numbered && ok && strings.HasPrefix(message, "line ") {
		message = rest
	}
	return &FileError{
		Place:   Place{File: name, Line: at, Column: 1 + len(text) - len(bytes.TrimLeft(text, " "))},
		Message: "no YAML: " + strings.Join(strings.Fields(message), " ") + "; write KEY: VALUE, lists with a dash and a space, and blanks, no tabs, to indent",
	}
}

// largeText is the size from which the search for a mistake's line takes long.
const largeText = 256 << 10

// whereParserEnds is the number of the line at which the parser ends with an
// error. The library tells another one, that where a list or mapping begins
// (fail in its decode.go): the line that is looked for is the last of the
// shortest beginning of the text that has the error.
func whereParserEnds(data []byte, lines [][]byte, message string) int {
	if len(data) > largeText {
		number, _, _ := strings.Cut(strings.TrimPrefix(message, "yaml: line "), ":")
		at, _ := strconv.Atoi(number) // 0 where it names none
		return min(max(at, 1), len(lines))
	}
	ends := make([]int, len(lines))
	for i, l := range lines {
		ends[i] = len(l)
		if i > 0 {
			ends[i] += ends[i-1]
		}
	}
	i := sort.Search(len(lines)-1, func(i int) bool {
		err := parse(data[:ends[i]], func(*yaml.Node) bool { return true })
		return err != nil && err.Error() == message
	})
	return i + 1
}

// parse gives each document of a text to take, until that returns false.
func parse(data []byte, take func(*yaml.Node) bool) error {
	for d := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var doc yaml.Node
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !take(&doc) {
			return nil
		}
	}
}

// yamlReader turns the library's tree into nodes.
type yamlReader struct {
	file string
	err  *FileError // the first
}

func (y *yamlReader) refuse(n *yaml.Node, message string) *node {
	p := Place{File: y.file, Line: n.Line, Column: n.Column}
	if y.err == nil {
		y.err = &FileError{Place: p, Message: message}
	}
	return &node{place: p}
}

func (y *yamlReader) node(n *yaml.Node, depth int) *node {
	switch {
	case y.err != nil:
		return &node{}
	case depth > maxDepth:
		return y.refuse(n, "values stand more than "+strconv.Itoa(maxDepth)+" levels deep in one another: write links: with links, and their words, below it")
	case n.Anchor != "" || n.Kind == yaml.AliasNode || n.Style&yaml.TaggedStyle != 0 || n.Tag == "!!merge" && n.Style == 0:
		return y.refuse(n, "anchors (&), aliases (*), merges (<<), tags (!) and directives (%) are not read: write the value itself")
	}
	out := &node{place: Place{File: y.file, Line: n.Line, Column: n.Column}}
	switch n.Kind {
	case yaml.MappingNode:
		out.kind, out.closed = mappingNode, n.Style&yaml.FlowStyle != 0
		for i := 0; i+1 < len(n.Content); i += 2 {
			out.pairs = append(out.pairs, y.pair(n.Content[i], n.Content[i+1], depth+1))
		}
	case yaml.SequenceNode:
		out.kind, out.closed = listNode, n.Style&yaml.FlowStyle != 0
		for _, v := range n.Content {
			out.items = append(out.items, y.node(v, depth+1))
		}
	case yaml.ScalarNode:
		quoted := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0
		block := n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
		switch {
		case n.Tag == "!!null" && !quoted && !block:
		case block:
			out.kind, out.text = scalarNode, strings.TrimSuffix(n.Value, "\n")
		default:
			out.kind, out.text, out.plain = scalarNode, n.Value, !quoted
		}
	default:
		return y.refuse(n, "this is no value: write a word, a list or KEY: VALUE")
	}
	return out
}

func (y *yamlReader) pair(key, value *yaml.Node, depth int) pair {
	p := pair{key: y.node(key, depth), value: y.node(value, depth)}
	if p.value.kind == nullNode {
		p.value.place = p.key.place // what is not there stands nowhere
	}
	return p
}
