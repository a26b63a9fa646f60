package words

import (
	stdflag "flag"
	"os"
	"strings"
	"testing"
)

var update = stdflag.Bool("update", false, "write the words into the documents")

// TestDocumentsHaveEveryWord: docs/openapi.yaml and docs/config.md have the rows of the table;
// -update writes them there.
func TestDocumentsHaveEveryWord(t *testing.T) {
	for _, doc := range []struct {
		name, begin, end, indent string
		row                      func(*Word) string
	}{
		{"../../docs/openapi.yaml", "    LinkSpec:\n      description: The words of `uvtep link add`. What is not said is the default on an add, no change on a change.\n" +
			"      type: object\n      additionalProperties: false\n      properties:\n", "    PortSpec:\n", "        ", (*Word).OpenAPI},
		{"../../docs/config.md", "| key | value | uvtep's default | the kernel's | |\n|---|---|---|---|---|\n", "\nUnknown keys", "", (*Word).Row},
	} {
		b, err := os.ReadFile(doc.name)
		if err != nil {
			t.Fatal(err)
		}
		head, rest, found := strings.Cut(string(b), doc.begin)
		have, tail, ends := strings.Cut(rest, doc.end)
		if !found || !ends {
			t.Errorf("%s has no table of words", doc.name)
			continue
		}
		var want strings.Builder
		for _, w := range Table() {
			if doc.indent != "" || w.read != nil && !w.Command && w.Name != "name" && w.Name != "up" {
				want.WriteString(doc.indent + doc.row(&w) + "\n")
			}
		}
		if have == want.String() {
			continue
		}
		if !*update {
			t.Errorf("%s has other words than the table: run go test ./internal/words -update\nhas:\n%s\nwant:\n%s", doc.name, have, &want)
			continue
		}
		if err := os.WriteFile(doc.name, []byte(head+doc.begin+want.String()+doc.end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
