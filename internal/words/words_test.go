package words

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// samples are sentences that say a word with each kind of value that it has.
func samples(w *Word) (all [][]string) {
	for _, v := range w.Samples {
		all = append(all, w.With(v))
	}
	return all
}

// read is what a sentence says.
func read(t *testing.T, sentence []string) *link {
	t.Helper()
	known, l := Known(true), &link{}
	for s := NewSentence(sentence, AnyFamily); ; {
		word, ok := s.Next()
		if !ok {
			return l
		}
		w := known[word]
		if w == nil {
			t.Fatalf("%q of %q is unknown", word, sentence)
		}
		if err := w.Parse(s, word, l); err != nil {
			t.Fatalf("%q: %v", sentence, err)
		}
	}
}

// TestEveryWordText: what a word says is read as it is written.
func TestEveryWordText(t *testing.T) {
	table := Table()
	for i := range table {
		w := &table[i]
		if len(w.Samples) == 0 || w.About == "" || strings.HasSuffix(w.About, ".") {
			t.Errorf("%s: %d samples, about %q", w.Name, len(w.Samples), w.About)
		}
		for _, sentence := range samples(w) {
			l := read(t, sentence)
			if got := Text(l); !slices.Equal(got, sentence) {
				t.Errorf("%q is written %q", sentence, got)
			}
			if d := cmp.Diff(l, read(t, Text(l)), compareAddr); d != "" {
				t.Errorf("%q (-said +read again):\n%s", sentence, d)
			}
		}
	}
}

// TestEveryWordShown: `link show -d` has what is not as usual, as text and in JSON, and the JSON is
// read back for what it was.
func TestEveryWordShown(t *testing.T) {
	for _, w := range Table() {
		for i, value := range w.Samples {
			l := read(t, w.With(value))
			key, v := w.JSON(l)
			usual := w.Kernel
			if w.Owner == Own {
				usual = w.Default
			}
			if w.Owner == Device || value == usual && !w.Always {
				continue
			}
			if w.Show(l) == "" {
				t.Errorf("%s is not shown", w.With(value))
			}
			if v == nil && value != "inherit" && value != "off" {
				t.Errorf("%s is not in the JSON", w.With(value))
			}
			if w.Owner != VXLAN || i > 0 && w.Name == "id" || w.Name == "srcport" {
				continue
			}
			got := w.FromIP(func(k string) any {
				if n, ok := v.(int); ok && k == key {
					return int64(n) // as the importer has JSON's numbers
				}
				if k == key {
					return v
				}
				return nil
			})
			if want := w.text(l); got != nil && fmt.Sprint(got) != want && fmt.Sprint(got) != fmt.Sprint(w.get(l)) {
				t.Errorf("%s is read from JSON as %v, want %s", w.With(value), got, want)
			}
		}
	}
}

// TestAliases: each form of a word says the same.
func TestAliases(t *testing.T) {
	table := Table()
	for i := range table {
		w := &table[i]
		for _, alias := range w.Aliases {
			for _, sentence := range samples(w) {
				if alias == "reserved_bits" && sentence[1] != "0xff" {
					continue // it takes masks only
				}
				other := append([]string{alias}, sentence[1:]...)
				if d := cmp.Diff(read(t, sentence), read(t, other), compareAddr); d != "" {
					t.Errorf("%q and %q (-+):\n%s", sentence, other, d)
				}
			}
		}
	}
}

// TestDistinct: a form is one word's, and none is refused that is taken.
func TestDistinct(t *testing.T) {
	seen, refused, table := map[string]string{}, Refused(), Table()
	for i := range table {
		w := &table[i]
		for _, form := range append([]string{w.Name, w.Off()}, w.Aliases...) {
			if form != "" && seen[form] != "" {
				t.Errorf("%q is of %s and of %s", form, seen[form], w.Name)
			}
			seen[form] = w.Name
			if refused[form] != "" && !w.Command {
				t.Errorf("%q is both taken and refused", form)
			}
		}
	}
}

// TestUsageHasEveryWord: `link add --help` has each word that may be written.
func TestUsageHasEveryWord(t *testing.T) {
	usage := Usage()
	for form, w := range Known(true) {
		if form == w.Name && w.Name != "name" && w.Name != "up" && !strings.Contains(usage, form) {
			t.Errorf("usage has no %s:\n%s", form, usage)
		}
	}
	for line := range strings.Lines(usage) {
		if len(line) > 101 {
			t.Errorf("%d characters: %s", len(line), line)
		}
	}
}

// TestQueuesOfEitherWay: ip's exports say both numbers, which are one of a TAP's.
func TestQueuesOfEitherWay(t *testing.T) {
	for _, both := range []string{"numtxqueues 3 numrxqueues 3", "rxqueues 3 queues 3", "numrxqueues 3"} {
		if l := read(t, strings.Fields(both)); *l.Queues != 3 {
			t.Errorf("%s: %d queues", both, *l.Queues)
		}
	}
	known := Known(true)
	for _, bad := range []string{"numtxqueues 3 numrxqueues 2", "numrxqueues 2 queues 3", "txqueues 3 numtxqueues 3", "rxqueues 3 numrxqueues 3"} {
		s, l := NewSentence(strings.Fields(bad), AnyFamily), &link{}
		var err error
		for word, ok := s.Next(); ok && err == nil; word, ok = s.Next() {
			err = known[word].Parse(s, word, l)
		}
		if err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
