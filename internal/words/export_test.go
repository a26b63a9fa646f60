package words

// What the documents that are generated from the table are made of, and the sentence of a
// link, for the tests that go over all rows.

import (
	"fmt"
	"strconv"
	"strings"
)

// OpenAPI is the word's property of LinkSpec in docs/openapi.yaml.
func (w *Word) OpenAPI() string {
	if strings.HasPrefix(w.schema, "$ref") { // beside which OpenAPI 3.0 has nothing
		return fmt.Sprintf("%s: {%s}", w.Name, w.schema)
	}
	return fmt.Sprintf("%s: {%s, description: %s}", w.Name, w.schema, strconv.Quote(w.About))
}

// Row is the word's row in the table of docs/config.md.
func (w *Word) Row() string {
	truth := map[string]string{"on": "true", "off": "false"}
	code := func(text string) string {
		if text == "" {
			return ""
		}
		return "`" + strings.ReplaceAll(text, "|", `\|`) + "`"
	}
	arg, usual, kernel := w.Arg, w.Default, w.Kernel
	if w.flag {
		usual, kernel = truth[usual], truth[kernel]
		arg = "true|false" + strings.Trim(strings.ReplaceAll(w.Arg, "[", "|"), "]")
	}
	if w.Owner == Own {
		kernel = ""
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s | %s |", w.Name, code(arg), code(usual), code(kernel), w.About)
}

// Text is the sentence that says what l says.
func Text(l *link) []string {
	var all []string
	learns := l.ProxyLearn != nil && *l.ProxyLearn
	for _, w := range Table() {
		if w.Name != "proxy" || !learns {
			all = append(all, w.Say(l)...)
		}
	}
	return all
}
