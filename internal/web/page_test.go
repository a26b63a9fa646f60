package web

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// paths are all that the page answers.
func paths(p *Page) []string {
	all := []string{"/state.json", "/fdb.json"}
	for path := range p.files {
		all = append(all, path)
	}
	slices.Sort(all)
	return all
}

// TestGetAlone: nothing but GET is answered, whatever is asked for.
func TestGetAlone(t *testing.T) {
	d := &daemon{}
	p := newPage(d)
	if n := len(paths(p)); n != 8 {
		t.Errorf("there are %d paths: does this test say what each is?", n)
	}
	for _, path := range append(paths(p), "/v1/links", "/none") {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "BREW"} {
			if w := ask(t, p, method, path); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET" {
				t.Errorf("%s %s: %d", method, path, w.Code)
			}
		}
	}
	if d.asked+len(d.walked) > 0 {
		t.Error("the daemon was asked")
	}
	for _, path := range []string{"/v1/links", "/debug/pprof/heap", "/files/index.html", "/../page.go", "/none"} {
		if w := ask(t, p, http.MethodGet, path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestWhoMayAsk: a page of another site gets nothing, whether it asks by a name of its own that leads here
// (DNS rebinding) or by this host's address.
func TestWhoMayAsk(t *testing.T) {
	d := &daemon{}
	p := newPage(d)
	for host, want := range map[string]int{
		"127.0.0.1:9473": 200, "127.0.0.1": 200, "[::1]:9473": 200, "[2001:db8::1]": 200, "192.0.2.1:1": 200, "localhost:8080": 200, "LOCALHOST": 200,
		"": 403, "evil.example": 403, "evil.example:9473": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example:9473": 403,
		"evil": 403, "127.0.0.1:9473.evil.example": 403, "2130706433": 403, "localhost.": 403, "a localhost": 403,
	} {
		for _, path := range paths(p) {
			if w := ask(t, p, http.MethodGet, path, "Host", host); w.Code != want {
				t.Errorf("Host %q: %s: %d, want %d", host, path, w.Code, want)
			}
		}
	}
	asked := d.asked
	for _, site := range []string{"cross-site", "same-site"} {
		for _, mode := range []string{"no-cors", "cors", "websocket", ""} {
			if w := ask(t, p, http.MethodGet, "/state.json", "Sec-Fetch-Site", site, "Sec-Fetch-Mode", mode); w.Code != http.StatusForbidden {
				t.Errorf("a %s request, %s: %d", site, mode, w.Code)
			}
		}
		if w := ask(t, p, http.MethodGet, "/", "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "navigate"); w.Code != http.StatusOK {
			t.Errorf("a link from a %s page: %d", site, w.Code)
		}
	}
	if d.asked != asked {
		t.Error("the daemon was asked")
	}
	for _, site := range []string{"same-origin", "none"} {
		if w := ask(t, p, http.MethodGet, "/state.json", "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "cors"); w.Code != http.StatusOK {
			t.Errorf("a %s request: %d", site, w.Code)
		}
	}
}

// TestHeaders: each answer keeps browsers from taking it for anything else, from other origins' files and
// from other sites.
func TestHeaders(t *testing.T) {
	p := newPage(&daemon{})
	for path, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/page.css": "text/css; charset=utf-8", "/page.js": "text/javascript; charset=utf-8", "/map.js": "text/javascript; charset=utf-8",
		"/text.js": "text/javascript; charset=utf-8", "/icon.svg": "image/svg+xml; charset=utf-8", "/state.json": "application/json", "/fdb.json": "application/json",
	} {
		w := ask(t, p, http.MethodGet, path)
		h := w.Header()
		if w.Code != http.StatusOK || h.Get("Content-Type") != kind || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("Cross-Origin-Resource-Policy") != "same-origin" || h.Get("Content-Security-Policy") != policy || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %v", path, w.Code, h)
		}
		if tag := h.Get("ETag"); tag != "" {
			if again := ask(t, p, http.MethodGet, path, "If-None-Match", tag); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
				t.Errorf("%s again: %d", path, again.Code)
			}
		}
	}
}

// TestFiles: the page needs nothing from elsewhere, has no script or style in its HTML, which its policy
// forbids, and makes no HTML of text.
func TestFiles(t *testing.T) {
	elsewhere := regexp.MustCompile(`https?://|//[a-z]+\.[a-z]`)
	danger := regexp.MustCompile(`(?i)innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|\.cssText|style=|\son[a-z]+=|<script>|javascript:`)
	all, err := fs.Glob(files, "files/*")
	if err != nil || len(all) != 6 {
		t.Fatalf("%v, %v", all, err)
	}
	for _, name := range all {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		said := strings.ReplaceAll(string(text), "http://www.w3.org/2000/svg", "") // a name, which nobody asks for
		if found := elsewhere.FindString(said); found != "" {
			t.Errorf("%s names %q", name, found)
		}
		if found := danger.FindString(said); found != "" {
			t.Errorf("%s has %q", name, found)
		}
	}
}

// hostileNames are names that the kernel lets a link have, for who takes them for HTML or JSON.
func hostileNames() []string {
	return []string{"<b>x</b", "'><script>", "\"-alert(1)-\"", "&lt;i&gt;", "${alert`1`}", "__proto__", "constructor", "\u202egnp.exe"}
}

// TestHostileNames: whatever a link or an owner is called, the answer is JSON that has it as it is, and nothing
// in it that a browser could take for HTML.
func TestHostileNames(t *testing.T) {
	d := &daemon{}
	for i, name := range hostileNames() {
		l := newLink(name, uint32(i), 1, 1)
		l.Stats.Drops = map[string]uint64{"rx-not-peer": 5}
		l.Missing = "no device " + name
		d.links = append(d.links, l)
		e := entryOf(name, i, "192.0.2.2")
		e.Owner = name
		d.entries = append(d.entries, e)
	}
	p := newPage(d)
	w := ask(t, p, http.MethodGet, "/state.json")
	var s State
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil || len(s.Links) != len(d.links) {
		t.Fatalf("%v: %s", err, w.Body)
	}
	for i, name := range hostileNames() {
		if s.Links[i].Name != name {
			t.Errorf("%q is told as %q", name, s.Links[i].Name)
		}
	}
	found := ask(t, p, http.MethodGet, "/fdb.json")
	var f Found
	if err := json.Unmarshal(found.Body.Bytes(), &f); err != nil || len(f.Entries) != len(d.entries) || f.Entries[2].Owner != hostileNames()[2] {
		t.Errorf("%v: %s", err, found.Body)
	}
	for _, text := range []string{w.Body.String(), found.Body.String()} {
		if strings.ContainsAny(text, "<>&") {
			t.Errorf("it has characters of HTML: %s", text)
		}
	}
	if w := ask(t, p, http.MethodGet, "/fdb.json?q=%3Cscript%3E"); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "<") {
		t.Errorf("a search for HTML: %d %s", w.Code, w.Body)
	}
	if w := ask(t, p, http.MethodGet, "/fdb.json?after=%3Cscript%3E"); w.Code != http.StatusBadRequest || strings.Contains(w.Body.String(), "<") {
		t.Errorf("a cursor of HTML: %d %s", w.Code, w.Body)
	}
}
