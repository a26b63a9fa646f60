package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uvtep/uvtep/api"
)

// tables are a daemon's with two links: 120 learned addresses, among them one with 60 remotes.
func tables() *daemon {
	d := &daemon{links: []api.Link{newLink("vxlan0", 42, 0, 0), newLink("Blue", 43, 0, 0)}}
	for i := range 60 {
		e := entryOf("vxlan0", 0, "192.0.2.0")
		e.MAC, e.State = "00:00:00:00:00:00", api.Permanent
		e.Dst = newLink("", 0, 60, 0).Remotes[i].Dst
		d.entries = append(d.entries, e)
	}
	for i := range 70 {
		d.entries = append(d.entries, entryOf("vxlan0", i, "192.0.2.2"))
	}
	for i := range 50 {
		e := entryOf("Blue", 60+i, "2001:db8::2")
		e.Owner, e.ExternLearn = "Fabric", i == 7
		d.entries = append(d.entries, e)
	}
	return d
}

// pages are all pages of a search.
func pages(t *testing.T, p *Page, query string) (all []api.FDBEntry, n int) {
	t.Helper()
	for after := ""; ; n++ {
		time.Sleep(time.Minute) // searches rest
		w := ask(t, p, http.MethodGet, "/fdb.json?"+url.Values{"q": {query}, "after": {after}}.Encode())
		var f Found
		if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%s: %d: %v: %s", query, w.Code, err, w.Body)
		}
		if len(f.Entries) > pageEntries || f.Next != "" && len(f.Entries) != pageEntries {
			t.Fatalf("%s: a page of %d entries", query, len(f.Entries))
		}
		all = append(all, f.Entries...)
		if after = f.Next; after == "" {
			return all, n + 1
		}
	}
}

// TestSearch compares each search, page by page, with one that looks through all entries.
func TestSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := tables()
		p := newPage(d)
		has := func(parts ...string) func(*api.FDBEntry) bool {
			return func(e *api.FDBEntry) bool {
				text := strings.ToLower(strings.Join([]string{e.MAC, e.Dev, e.Dst.String(), e.State, e.Owner}, " "))
				for _, s := range parts {
					if !strings.Contains(text, s) {
						return false
					}
				}
				return true
			}
		}
		for query, test := range map[string]struct {
			want  func(*api.FDBEntry) bool
			least int
		}{
			"":                          {has(""), 180},
			"  ":                        {has(""), 180},
			"vxlan0":                    {has("vxlan0"), 130},
			"blue":                      {has("blue"), 50},
			"02:00:00:00:00:4":          {has("02:00:00:00:00:4"), 10},
			"permanent 198.51.100.5":    {has("permanent", "198.51.100.5"), 11},
			"FABRIC 02:00":              {has("fabric", "02:00"), 50},
			"00:00:00:00:00:00":         {func(e *api.FDBEntry) bool { return e.MAC == "00:00:00:00:00:00" }, 60},
			"02-00-00-00-00-45":         {has("02:00:00:00:00:45"), 2},
			"0200.0000.0045 blue":       {has("02:00:00:00:00:45", "blue"), 1},
			"020000000045":              {has("02:00:00:00:00:45"), 2},
			"2001:DB8:0::2":             {has("2001:db8::2"), 50},
			"extern_learn":              {func(e *api.FDBEntry) bool { return e.ExternLearn }, 1},
			"nothing":                   {has("nothing"), 0},
			"vxlan0 02:00:00:00:00:ff ": {has("vxlan0", "02:00:00:00:00:ff"), 0},
		} {
			want := []api.FDBEntry{}
			for i := range d.entries {
				if test.want(&d.entries[i]) {
					want = append(want, d.entries[i])
				}
			}
			got, n := pages(t, p, query)
			if diff := cmp.Diff(want, append([]api.FDBEntry{}, got...), cmp.Comparer(func(a, b api.FDBEntry) bool { return a == b })); diff != "" || len(want) < test.least {
				t.Errorf("%q: %d entries, want %d: %s", query, len(got), len(want), diff)
			}
			if least := max(1, (len(want)+pageEntries-1)/pageEntries); n != least {
				t.Errorf("%q: %d pages, want %d", query, n, least)
			}
		}
	})
}

// TestLookUp: a whole MAC address is not searched for, but looked up.
func TestLookUp(t *testing.T) {
	d := tables()
	looked := 0
	d.onEntry = func(*api.FDBEntry) { looked++ }
	if w := ask(t, newPage(d), http.MethodGet, "/fdb.json?q=0200.0000.0045"); w.Code != http.StatusOK || looked != 2 || d.walked[0].MAC != "02:00:00:00:00:45" {
		t.Errorf("%d: %d entries were looked at, %+v", w.Code, looked, d.walked)
	}
}

// TestBadSearches: what is no search is refused before anything is looked at.
func TestBadSearches(t *testing.T) {
	d := tables()
	p := newPage(d)
	for _, q := range []url.Values{
		{"q": {strings.Repeat("x", mostQuery+1)}}, {"q": {strings.Repeat("x ", mostWords+1)}}, {"after": {"vxlan0"}}, {"after": {"vxlan0 02:00:00:00:00:01 x"}},
		{"after": {strings.Repeat("x", 300) + " 02:00:00:00:00:01 1"}},
	} {
		if w := ask(t, p, http.MethodGet, "/fdb.json?"+q.Encode()); w.Code != http.StatusBadRequest {
			t.Errorf("%v: %d %s", q, w.Code, w.Body)
		}
	}
	if w := ask(t, p, http.MethodGet, "/fdb.json?after=gone+02:00:00:00:00:01+0"); w.Code != http.StatusBadRequest || len(d.walked) > 0 {
		t.Errorf("behind a link that has gone: %d, %v", w.Code, d.walked)
	}
}

// TestSearchesTakeTurns: one search is made at a time, with a rest after it of three times as long; who
// waits for too long is told to ask again.
func TestSearchesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &daemon{links: []api.Link{newLink("vxlan0", 42, 0, 0)}, entries: []api.FDBEntry{entryOf("vxlan0", 1, "192.0.2.2")}}
		p := newPage(d)
		const takes = 500 * time.Millisecond
		now, most := 0, 0
		d.onEntry = func(*api.FDBEntry) {
			now++
			most = max(most, now)
			time.Sleep(takes)
			now--
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		codes := map[int]int{}
		begin := time.Now()
		for range 40 {
			all.Go(func() {
				w := ask(t, p, http.MethodGet, "/fdb.json")
				mu.Lock()
				defer mu.Unlock()
				codes[w.Code]++
			})
		}
		all.Wait()
		took := time.Since(begin)
		if done := codes[http.StatusOK]; most != 1 || done == 0 || done+codes[http.StatusServiceUnavailable] != 40 || took < time.Duration(done-1)*searchShare*takes {
			t.Errorf("%v in %v, %d at a time", codes, took, most)
		}
		time.Sleep(time.Minute) // the last rest
	})
}

// TestSearchEnds: a search that nobody waits for any more ends.
func TestSearchEnds(t *testing.T) {
	d := &daemon{links: []api.Link{newLink("vxlan0", 42, 0, 0)}}
	for i := range 10 * lookForClient {
		d.entries = append(d.entries, entryOf("vxlan0", i, "192.0.2.2"))
	}
	ctx, cancel := context.WithCancel(t.Context())
	looked := 0
	d.onEntry = func(*api.FDBEntry) {
		if looked++; looked == lookForClient/2 {
			cancel()
		}
	}
	if _, err := newPage(d).fdb.find(ctx, "nothing", ""); !errors.Is(err, context.Canceled) || looked > lookForClient {
		t.Errorf("%v after %d entries", err, looked)
	}
}
