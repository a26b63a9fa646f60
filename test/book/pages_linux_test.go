package book_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/book"
)

const docs = "../../docs"

// TestPages types what the pages of docs/ tell their readers to type, and compares what it prints with what they say.
func TestPages(t *testing.T) {
	for _, page := range must(book.Pages(docs))(t) {
		blocks := must(book.Read(docs, page))(t)
		if !typed(blocks) {
			continue
		}
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			var r reader
			var at *host
			for i := range blocks {
				b := &blocks[i]
				if b.New {
					r = nil // hosts are made for who does something with them
				}
				switch b.Do {
				case book.Run, book.Given, book.File:
					if r == nil {
						r = sit(t)
					}
					at = r.do(t, b)
				case book.Prints:
					compare(t, b, at.out)
				case book.RunBy, book.NotRun:
				}
			}
		})
	}
}

// typed reports whether there is something to type.
func typed(blocks []book.Block) bool {
	for i := range blocks {
		switch blocks[i].Do {
		case book.Run, book.Given, book.File:
			return true
		case book.Prints, book.RunBy, book.NotRun:
		}
	}
	return false
}

// do types a block, or writes a file.
func (r reader) do(t *testing.T, b *book.Block) *host {
	t.Helper()
	name, path, _ := strings.Cut(b.Arg, " ")
	h := r[name]
	if h == nil {
		t.Fatalf("%s: there is no host %q", b, name)
	}
	if b.Do == book.File {
		h.write(path, b.Text)
		return h
	}
	if out, ok := h.try(b.Text); !ok {
		t.Fatalf("%s: host %s: this failed:\n%s\nafter it had printed\n%s", b, h, b.Text, out)
	}
	return h
}

// compare fails where the lines of a block are not in what was printed, in this order.
func compare(t *testing.T, b *book.Block, printed string) {
	t.Helper()
	rest := printed
	for line := range strings.Lines(b.Text) {
		line = strings.TrimSpace(line)
		if line == "" || line == "..." {
			continue
		}
		words := strings.Join(strings.Fields(line), " ")
		pattern := strings.ReplaceAll(strings.ReplaceAll(regexp.QuoteMeta(words), regexp.QuoteMeta("..."), ".*"), " ", `[ \t]+`)
		at := regexp.MustCompile(pattern).FindStringIndex(rest)
		if at == nil {
			t.Errorf("%s: this is not printed, or not there:\n%s\nbut this:\n%s", b, line, printed)
			return
		}
		rest = rest[at[1]:]
	}
}
