package logging

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// TestRecent: the latest lines are kept, whether the reader of the log takes them or not, and
// no more than there is room for.
func TestRecent(t *testing.T) {
	l := New(io.Discard, Text, Levels{}) // nobody runs it: all lines wait, and then are lost
	const lines = 20000
	for i := range lines {
		fmt.Fprintf(l, "line %d of a log\n", i)
	}
	got := l.Recent()
	size := 0
	for i, line := range got {
		size += len(line)
		if want := fmt.Sprintf("line %d of a log\n", lines-len(got)+i); line != want {
			t.Fatalf("line %d is %q, want %q", i, line, want)
		}
	}
	if size > maxRecent || size < maxRecent-100 {
		t.Errorf("%d bytes are kept, of %d", size, maxRecent)
	}
	if fmt.Fprint(l, strings.Repeat("x", 2*maxRecent)); len(l.Recent()) != 0 {
		t.Errorf("a line that is too long: %d lines", len(l.Recent()))
	}
}

// TestRecentHasTheTime: the journal's lines have no time of their own, and get one.
func TestRecentHasTheTime(t *testing.T) {
	l := New(io.Discard, Journal, Levels{})
	fmt.Fprint(l, "<6>hello\n")
	got := l.Recent()
	if len(got) != 1 {
		t.Fatalf("%q", got)
	}
	at, text, _ := strings.Cut(got[0], " ")
	if when, err := time.Parse(time.RFC3339Nano, at); err != nil || time.Since(when).Abs() > time.Minute || text != "<6>hello\n" {
		t.Errorf("%q: %v", got[0], err)
	}
}
