package web

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/fault"
)

// Source is what the page tells of. control.View is one.
type Source interface {
	// Links describes the links, with at most mostRemotes remotes beyond those that each tells of.
	Links(mostRemotes int) []api.Link
	Stats() api.Stats
	// WalkFDB calls fn with each entry that f selects by link, MAC address and remote, by MAC, until
	// fn returns false.
	WalkFDB(f *api.FDBFilter, fn func(*api.FDBEntry) bool) error
}

// Config is what a Page needs.
type Config struct {
	Source  Source
	EVPN    func(context.Context) (*EVPN, error) // asks the agent; nil: none is asked
	Version string
	Log     *slog.Logger
}

// Requests of all clients together: a page of a browser asks for its files, then every two seconds.
const (
	requestsPerSecond = 50
	requestsAtOnce    = 100
)

// policy has a browser take nothing but the page's own files, and the page's script make no HTML of
// text (Content Security Policy Level 3, Trusted Types).
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

//go:embed files
var files embed.FS

// Page answers what a browser asks of the status page. It is an http.Handler.
type Page struct {
	log   *slog.Logger
	pace  *rate.Limiter
	looks looks
	fdb   searches
	files map[string]file
}

// file is a file of the page.
type file struct {
	text []byte
	kind string // Content-Type
	tag  string // ETag
}

// New makes the page.
func New(c Config) *Page {
	p := &Page{
		log: c.Log, pace: rate.NewLimiter(requestsPerSecond, requestsAtOnce), files: make(map[string]file),
		looks: looks{source: c.Source, evpn: c.EVPN, version: c.Version},
	}
	p.fdb = searches{source: c.Source, links: p.looks.names, turn: make(chan struct{}, 1)}
	for path, name := range map[string]string{"/": "index.html", "/page.css": "page.css", "/page.js": "page.js", "/map.js": "map.js", "/text.js": "text.js", "/icon.svg": "icon.svg"} {
		text, err := files.ReadFile("files/" + name)
		if err != nil {
			panic(err) // the program was built without it
		}
		kind := map[string]string{"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}[name[strings.LastIndexByte(name, '.')+1:]]
		sum := sha256.Sum256(text)
		p.files[path] = file{text, kind + "; charset=utf-8", `"` + hex.EncodeToString(sum[:8]) + `"`}
	}
	return p
}

// ServeHTTP answers one request.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if fault.Catch(p.log, "the status page", func() { p.serve(w, r) }) {
		panic(http.ErrAbortHandler) // the answer is cut off
	}
}

func (p *Page) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
	switch {
	case r.Method != http.MethodGet:
		h.Set("Allow", http.MethodGet)
		http.Error(w, "the page can only be read: ask by GET", http.StatusMethodNotAllowed)
		return
	case !byAddress(r.Host):
		http.Error(w, "open the page by the host's IP address, or as localhost, and not by another name", http.StatusForbidden)
		return
	case foreign(r):
		http.Error(w, "the page is not for pages of other origins", http.StatusForbidden)
		return
	}
	if err := p.pace.Wait(r.Context()); err != nil {
		return // who asked has gone
	}
	f, is := p.files[r.URL.Path]
	switch {
	case is:
		f.serve(w, r)
	case r.URL.Path == "/state.json":
		p.state(w, r)
	case r.URL.Path == "/fdb.json":
		p.search(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", f.tag)
	if r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", f.kind)
	_, _ = w.Write(f.text) // who asked may be gone
}

// byAddress reports whether a browser was told an address of this host, or localhost. Inferred from
// the Host header (RFC 9110 section 7.2), which a browser makes of what stands in its address bar. Who
// could lie: a site whose name its owner has lead to this host for a moment (DNS rebinding), so that
// the site's scripts count as the page's own. A name that somebody else may own is refused; the port
// may be any, since ssh forwards from another one.
func byAddress(host string) bool {
	name := host
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		if _, err := strconv.ParseUint(host[i+1:], 10, 16); err != nil {
			return false
		}
		name = host[:i]
	}
	_, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]"))
	return err == nil || strings.EqualFold(name, "localhost")
}

// foreign reports whether another site's page asks for something, and not a person who follows its
// link (Sec-Fetch-Site and Sec-Fetch-Mode of Fetch Metadata, which scripts cannot set). Browsers keep
// the answer from such a page anyway; so it cannot have the daemon work either.
func foreign(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return (site == "cross-site" || site == "same-site") && r.Header.Get("Sec-Fetch-Mode") != "navigate"
}

// state answers GET state.json.
func (p *Page) state(w http.ResponseWriter, r *http.Request) {
	text, err := p.looks.text(r.Context(), r.URL.Query().Get("link"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // who asked may be gone
}

// search answers GET fdb.json.
func (p *Page) search(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	page, err := p.fdb.find(r.Context(), q.Get("q"), q.Get("after"))
	switch {
	case errors.Is(err, errQuery):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case err != nil:
		w.Header().Set("Retry-After", "2")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(page) // who asked may be gone
	}
}

// The times of the page.
const (
	// lookEvery is how old a look may be that is given again.
	lookEvery = time.Second
	// lookShare and searchShare are the parts of the time that looks and searches may take: one in so many.
	lookShare   = 10
	searchShare = 4
)
