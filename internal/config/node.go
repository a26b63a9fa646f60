package config

// nodeKind is the kind of a value in a file.
type nodeKind uint8

const (
	nullNode    nodeKind = iota // nothing, null or ~
	scalarNode                  // a word, number or string
	listNode                    // [a, b], or lines that begin with a dash
	mappingNode                 // {a: b}, or lines of KEY: VALUE
)

// node is a value of a file, with its place.
type node struct {
	kind   nodeKind
	text   string // of a scalar, as written but for quotes
	plain  bool   // a scalar without quotes
	closed bool   // a list or mapping in brackets, which say where it ends
	pairs  []pair // of a mapping, in the order of the file
	items  []*node
	place  Place
}

// pair is a key of a mapping with its value.
type pair struct{ key, value *node }
