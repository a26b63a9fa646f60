package client

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestListFDB: a list that ends before its end is an error, and so is one that is none.
func TestListFDB(t *testing.T) {
	one := `{"dev":"vx1","mac":"02:00:00:00:00:01","used":0,"updated":0}`
	for text, want := range map[string]string{
		"[]": "", "[" + one + "]": "", "[" + one + "," + one + "]\n": "",
		"": "before its end", "[" + one: "before its end", "[" + one + ",": "before its end", "[" + one[:20]: "before its end",
		"{}": "where [ belongs", "[" + one + " x": "answer on",
	} {
		l := FDBList{client: &Client{path: "p"}, body: io.NopCloser(nil), entries: json.NewDecoder(strings.NewReader(text))}
		n, err := 0, l.delim('[')
		for ; err == nil; n++ {
			_, err = l.Next()
		}
		if want == "" && (!errors.Is(err, io.EOF) || n != strings.Count(text, "dev")+1) || want != "" && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %d entries, %v, want %q", text, n-1, err, want)
		}
	}
}
