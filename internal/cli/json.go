package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// jsonWriter writes JSON with the key order and the white space of iproute2
// (lib/json_writer.c): encoding/json can do neither.
type jsonWriter struct {
	w      *bufio.Writer
	pretty bool
	depth  int
	comma  bool // something stands before, on this level
	err    error
}

func newJSON(w io.Writer, pretty bool) *jsonWriter {
	return &jsonWriter{w: bufio.NewWriter(w), pretty: pretty}
}

// end finishes the document.
func (j *jsonWriter) end() error {
	j.put("\n")
	if err := j.w.Flush(); j.err == nil {
		j.err = err
	}
	return j.err
}

func (j *jsonWriter) put(s string) {
	if j.err == nil {
		_, j.err = j.w.WriteString(s)
	}
}

func (j *jsonWriter) line() {
	if j.pretty {
		j.put("\n" + strings.Repeat("    ", j.depth))
	}
}

// name begins a value; an array's elements have none.
func (j *jsonWriter) name(name string) {
	if j.comma {
		j.put(",")
	}
	j.comma = true
	if name == "" {
		return
	}
	j.line()
	j.put(`"` + name + `":`)
	if j.pretty {
		j.put(" ")
	}
}

func (j *jsonWriter) object(name string, body func()) {
	j.name(name)
	j.put("{")
	j.depth++
	j.comma = false
	body()
	j.depth--
	if j.comma {
		j.line()
	}
	j.put("}")
	j.comma = true
}

func (j *jsonWriter) array(name string, body func()) {
	j.name(name)
	j.put("[")
	if j.pretty {
		j.put(" ")
	}
	j.depth++
	j.comma = false
	body()
	j.depth--
	if j.pretty && j.comma {
		j.put(" ")
	}
	j.put("]")
	j.comma = true
}

func (j *jsonWriter) strings(name string, values []string) {
	j.array(name, func() {
		for _, v := range values {
			j.value("", v)
		}
	})
}

// value writes a string, number or truth value.
func (j *jsonWriter) value(name string, v any) {
	j.name(name)
	b, err := json.Marshal(v)
	if err != nil && j.err == nil {
		j.err = fmt.Errorf("write %s: %w", name, err)
	}
	j.put(string(b))
}

// nonzero writes v unless it is its type's zero value.
func nonzero[T comparable](j *jsonWriter, name string, v T) {
	if v != *new(T) {
		j.value(name, v)
	}
}
