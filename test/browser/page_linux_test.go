package browser_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/uvtep/uvtep/internal/web"
)

// served is a page of a source on this host, until the test ends.
func served(t *testing.T, s web.Source, evpn func(context.Context) (*web.EVPN, error)) (url string, broken *atomic.Bool) {
	t.Helper()
	page := web.New(web.Config{Source: s, EVPN: evpn, Version: "v1.2.3", Log: slog.New(slog.DiscardHandler)})
	broken = new(atomic.Bool)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken.Load() {
			http.Error(w, "by the test", http.StatusInternalServerError)
			return
		}
		page.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/", broken
}

var (
	wide  = screen{1280, 800, false, "light"}
	phone = screen{390, 844, true, "light"}
)

func dark(s screen) screen {
	s.scheme = "dark"
	return s
}

// rated is whether the page has rates.
const rated = `document.querySelectorAll("#links tr").length > 0 && document.getElementById("rx").textContent !== "–"`

// TestScreens: on a phone and a wide screen, light and dark, all is there, nothing is wider than the screen,
// text can be read and buttons can be touched.
func TestScreens(t *testing.T) {
	url, _ := served(t, newDemo(), demoEVPN)
	for _, s := range []screen{wide, dark(wide), phone, dark(phone)} {
		t.Run(s.String(), func(t *testing.T) {
			p := open(t, url, s)
			p.wait("rates", rated)
			p.wait("some of them", `document.getElementById("rx-line").firstChild.getAttribute("d").split("L").length > 3`)
			for what, expr := range map[string]string{
				"links":              `document.querySelectorAll("#links tr").length === 3`,
				"nodes of the map":   `document.querySelectorAll("#map .node").length === 3 + 14`,
				"lines of the map":   `document.querySelectorAll("#map .edge").length > 10`,
				"silent remotes":     `document.querySelectorAll("#map .dot.silent").length === 1 && document.querySelectorAll("#map .dot.never").length === 1`,
				"rates in the map":   `/↓[1-9].* ↑[1-9]/.test(document.querySelector("#map .rate").textContent)`,
				"a verdict":          `document.getElementById("verdict").textContent === "degraded"`,
				"what to do":         `document.getElementById("do").textContent.includes("192.0.2.19") && document.getElementById("do").textContent.includes("uvtep ping 192.0.2.19 dev tenant-blue")`,
				"drops":              `document.getElementById("drops").textContent.includes("rx-not-peer")`,
				"neighbors":          `document.getElementById("neighbors").textContent.includes("Established")`,
				"no sideways scroll": `document.documentElement.scrollWidth <= window.innerWidth`,
				"nothing cut off":    `[...document.querySelectorAll(".tile p, .tile h3, section, header")].every((e) => e.scrollWidth <= e.clientWidth)`,
				"the scheme":         at(`(getComputedStyle(document.body).backgroundColor.match(/\d+/)[0] > 127) === %v`, s.scheme == "light"),
				"touchable buttons":  `[...document.querySelectorAll("button, input, .node")].every((e) => { const b = e.getBoundingClientRect(); return !b.width || b.height >= 24 && b.width >= 24; })`,
			} {
				if !is[bool](p, expr) {
					t.Errorf("%s: %s is not so", what, expr)
				}
			}
			if c, text := p.faintest(); c < 4.5 {
				t.Errorf("%q has a contrast of %v", text, c)
			}
			p.picture("web-" + strings.Replace(s.String(), "wide-", "", 1))
			p.sound()
		})
	}
}

// TestKeyboard goes through the page without a mouse: the map, a remote, its entries; the focus stays where
// it is while the page follows the daemon.
func TestKeyboard(t *testing.T) {
	url, _ := served(t, newDemo(), nil)
	p := open(t, url, wide)
	p.wait("rates", rated)
	if n := p.tabTo("the link to the links", `e.className === "skip"`); n != 1 {
		t.Errorf("it is the %d. place", n)
	}
	p.tabTo("pause", `e.id === "pause"`)
	p.tabTo("a link in the map", `e.getAttribute("aria-label")?.startsWith("Link tenant-red, up, received ")`)
	p.keys(kb.ArrowDown)
	if got := is[string](p, `document.activeElement.getAttribute("aria-label")`); !strings.HasPrefix(got, "Link tenant-blue, ") {
		t.Errorf("down from tenant-red is %q", got)
	}
	p.keys(kb.ArrowRight, kb.Home, kb.End)
	last := is[string](p, `document.activeElement.getAttribute("aria-label")`)
	if !strings.HasPrefix(last, "Remote 2001:db8::5, heard now, received ") || !is[bool](p, visibleFocus) {
		t.Errorf("the last is %q", last)
	}
	p.keys(kb.Enter)
	p.wait("the remote", `document.querySelector("#chosen h3").textContent === "2001:db8::5" && document.activeElement.getAttribute("aria-pressed") === "true"`)
	age := is[string](p, `document.getElementById("age").textContent`)
	p.wait("the next answers", at(`document.getElementById("age").textContent !== %q`, age))
	if got := is[string](p, `document.activeElement.getAttribute("aria-label")`); !strings.HasPrefix(got, "Remote 2001:db8::5, ") {
		t.Errorf("meanwhile the focus went to %q", got)
	}
	if n := is[int](p, `document.querySelectorAll('#map [tabindex="0"]').length`); n != 1 {
		t.Errorf("the map has %d places in the order of Tab", n)
	}
	p.tabTo("its entries", `e.textContent === "Its entries"`)
	p.keys(kb.Enter)
	p.wait("entries", `document.querySelectorAll("#entries tr").length === 50 && [...document.querySelectorAll("#entries tr")].every((r) => r.textContent.includes("2001:db8::5"))`)
	if !is[bool](p, `document.activeElement.id === "fdb-q" && document.getElementById("fdb-said").textContent === "50 entries, and there are more."`) {
		t.Error("the search does not have the focus, or does not say how many there are")
	}
	p.tabTo("the next page", `e.id === "fdb-next"`)
	p.keys(kb.Enter)
	p.wait("the last page", `document.querySelectorAll("#entries tr").length === 30 && document.getElementById("fdb-next").hidden`)
	p.run(chromedp.SetValue("#fdb-q", "0200.0000.0211", chromedp.ByID), chromedp.Focus("#fdb-q", chromedp.ByID))
	p.keys(kb.Enter)
	p.wait("one address", `document.querySelectorAll("#entries tr").length === 2 && [...document.querySelectorAll("#entries tr")].every((r) => r.firstChild.textContent === "02:00:00:00:02:11")`)
	p.run(chromedp.Focus("#link-filter", chromedp.ByID))
	p.keys("b", "l", "u")
	p.wait("one link", `document.querySelectorAll("#links tr").length === 1 && document.querySelectorAll("#map .node").length === 1 + 5`)
	p.keys(kb.Tab, kb.Tab)
	p.keys(kb.Enter)
	p.wait("the link", `document.querySelector("#chosen h3").textContent === "tenant-blue" && document.activeElement.id === "chosen"`)
	p.sound()
}

// TestManyRemotes: a thousand of them are in the map, one place in the order of Tab, and can be chosen.
func TestManyRemotes(t *testing.T) {
	url, _ := served(t, &demo{links: []demoLink{{name: "fabric", id: 7, remotes: many(1000)}}}, nil)
	for _, s := range []screen{dark(wide), phone} {
		t.Run(s.String(), func(t *testing.T) {
			p := open(t, url, s)
			p.wait("rates", rated)
			if n := is[int](p, `document.querySelectorAll("#map .node").length`); n != 1001 {
				t.Errorf("the map has %d nodes", n)
			}
			p.tabTo("the map", `e.closest(".node")`)
			p.keys(kb.End, kb.ArrowLeft, kb.ArrowUp, kb.Enter)
			p.wait("a remote", `document.querySelector("#chosen h3").textContent.startsWith("198.51.")`)
			if !is[bool](p, `document.documentElement.scrollWidth <= window.innerWidth && document.querySelectorAll('#map [tabindex="0"]').length === 1`) {
				t.Error("it is too wide, or has many places in the order of Tab")
			}
			// What an answer costs the browser: it is shown between two frames of a screen, nearly.
			took := is[float64](p, `new Promise((done) => new PerformanceObserver((l) => done(l.getEntries()[0].duration)).observe({ type: "longtask" }) || setTimeout(() => done(0), 5000))`)
			if took > 1500 {
				t.Errorf("an answer takes the browser %v ms", took)
			}
			if !s.phone {
				p.picture("web-1000-remotes")
			}
			p.sound()
		})
	}
}

// TestHostileNames: whatever links and owners are called, it is text; and if the page were wrong in that, its policy
// would keep it from making HTML and from asking others.
func TestHostileNames(t *testing.T) {
	names := []string{"<b>x</b", "'><script>", "<img>", "\"-pwn()-\"", "&lt;i&gt;", "${pwn`1`}", "__proto__", "constructor"}
	d := &demo{}
	for i, name := range names {
		d.links = append(d.links, demoLink{name: name, id: uint32(i), remotes: many(2), entries: 3, owner: name})
	}
	url, _ := served(t, d, nil)
	p := open(t, url, wide)
	p.wait("rates", rated)
	p.run(chromedp.Focus("#fdb-q", chromedp.ByID))
	p.keys(kb.Enter)
	p.wait("entries", `document.querySelectorAll("#entries tr").length > 0`)
	shown := is[[]string](p, `[...document.querySelectorAll("#links button")].map((b) => b.textContent)`)
	if got, want := strings.Join(shown, " "), strings.Join(names, " "); got != want {
		t.Errorf("the page shows %s, want %s", got, want)
	}
	for _, name := range names {
		p.run(chromedp.Evaluate(at(`[...document.querySelectorAll("#links button")].find((b) => b.textContent === %q).click()`, name), nil))
		p.wait("the link "+name, at(`document.querySelector("#chosen h3").textContent === %q && document.querySelector('#map [aria-pressed="true"] text').textContent === %q`, name, name))
	}
	if n := is[int](p, `document.querySelectorAll("main b, main i, main img, main script, main a").length`); n > 0 {
		t.Errorf("%d elements were made of names", n)
	}
	p.sound()
	for what, expr := range map[string]string{
		"HTML of text":         `(() => { try { document.body.innerHTML = "<b>x</b>"; return false; } catch (e) { return e instanceof TypeError; } })()`,
		"a script of text":     `(() => { try { new Function("1")(); return false; } catch (e) { return true; } })()`,
		"a request to another": `fetch("http://127.0.0.2:9/").then(() => false, () => true)`,
		"an image of another":  `new Promise((done) => { const i = new Image(); i.onerror = () => done(true); i.onload = () => done(false); i.src = "http://127.0.0.2:9/x.png"; })`,
	} {
		if !is[bool](p, expr) {
			t.Errorf("%s: the policy lets it happen", what)
		}
	}
}

// TestRebinding: a name of somebody else's that leads to this host shows nothing.
func TestRebinding(t *testing.T) {
	url, _ := served(t, newDemo(), nil)
	p := open(t, strings.Replace(url, "127.0.0.1", "evil.example", 1), wide)
	if got := is[string](p, `document.body.innerText`); !strings.HasPrefix(got, "open the page by the host's IP address") {
		t.Errorf("it shows %q", got)
	}
	if !is[bool](p, `fetch("state.json").then((r) => r.status === 403)`) {
		t.Error("its scripts read the state")
	}
}

// TestDaemonGone: the page says that the daemon does not answer, and goes on when it does.
func TestDaemonGone(t *testing.T) {
	url, broken := served(t, newDemo(), nil)
	p := open(t, url, wide)
	p.wait("rates", rated)
	broken.Store(true)
	p.wait("what is wrong", `!document.getElementById("trouble").hidden && document.getElementById("trouble").textContent.includes("The daemon does not answer")`)
	broken.Store(false)
	p.wait("the end of it", `document.getElementById("trouble").hidden`)
}
