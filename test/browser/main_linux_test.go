// Package browser_test looks at the status page in headless Chromium. It is a module of its own, so
// that nobody who imports uvtep downloads what drives a browser, and runs where it is asked to:
//
//	go -C test/browser test . -browser -pictures ../../docs/pictures
package browser_test

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/uvtep/uvtep/internal/cli"
	"github.com/uvtep/uvtep/test/lab"
)

var (
	wanted   = flag.Bool("browser", false, "look at the page in Chromium, which must be installed")
	program  = flag.String("chromium", "chromium", "the browser's `program`")
	pictures = flag.String("pictures", "", "write the pictures of the documentation to a `directory`")

	exe string // the uvtep under test
)

// soon is how long anything that must happen may take, on a busy machine.
const soon = time.Minute

func TestMain(m *testing.M) { os.Exit(lab.TestProgram(m, "uvtep", cli.Main, &exe)) }

// tab is a tab of a browser that shows a page.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu    sync.Mutex
	wrong []string // errors and requests to elsewhere
}

// screen is what the page is looked at on.
type screen struct {
	width, height int64
	phone         bool
	scheme        string // light or dark
}

func (s screen) String() string {
	kind := "wide"
	if s.phone {
		kind = "phone"
	}
	return kind + "-" + s.scheme
}

// open starts a browser and opens a page in it.
func open(t *testing.T, url string, s screen) *tab {
	t.Helper()
	if !*wanted {
		t.Skip("say -browser to look at the page in Chromium")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(*program), chromedp.NoSandbox, // the tests are root
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("host-resolver-rules", "MAP evil.example 127.0.0.1"), chromedp.WSURLReadTimeout(soon))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits for its end, as its directory is removed next
		end()
	})
	p := &tab{t: t, ctx: ctx, base: url}
	chromedp.ListenTarget(ctx, p.event)
	err := chromedp.Run(ctx, log.Enable(), network.Enable(), runtime.Enable(),
		emulation.SetDeviceMetricsOverride(s.width, s.height, 1, s.phone),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: s.scheme}}),
		chromedp.Navigate(url))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *tab) event(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := ev.(type) {
	case *runtime.EventExceptionThrown:
		p.wrong = append(p.wrong, e.ExceptionDetails.Error())
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
			p.wrong = append(p.wrong, e.Entry.Text)
		}
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, p.base) && !strings.HasPrefix(e.Request.URL, "data:") {
			p.wrong = append(p.wrong, "a request to "+e.Request.URL)
		}
	}
}

// sound fails the test where the page had an error, or asked for something elsewhere.
func (p *tab) sound() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.wrong) > 0 {
		p.t.Errorf("the browser tells: %s", strings.Join(p.wrong, "; "))
	}
	p.wrong = nil
}

func (p *tab) run(actions ...chromedp.Action) {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.ctx, soon)
	defer stop()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// is reports what an expression is.
func is[T any](p *tab, expr string) (v T) {
	p.t.Helper()
	p.run(chromedp.Evaluate(expr, &v, func(e *runtime.EvaluateParams) *runtime.EvaluateParams {
		return e.WithAwaitPromise(true).WithAllowUnsafeEvalBlockedByCSP(false)
	}))
	return v
}

// wait waits until an expression is true.
func (p *tab) wait(what, expr string) {
	p.t.Helper()
	for end := time.Now().Add(soon); !is[bool](p, "!!("+expr+")"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("%s: not within %v: %s; the page has\n%s", what, soon, expr, is[string](p, "document.body.innerText"))
		}
	}
}

// keys presses keys.
func (p *tab) keys(all ...string) {
	p.t.Helper()
	for _, k := range all {
		p.run(chromedp.KeyEvent(k))
	}
}

// tabTo presses Tab until the focus is where an expression of e is true, and returns how often.
func (p *tab) tabTo(what, expr string) (n int) {
	p.t.Helper()
	for n = 1; n < 80; n++ {
		p.keys(kb.Tab)
		if is[bool](p, "((e) => !!("+expr+"))(document.activeElement)") {
			if !is[bool](p, visibleFocus) {
				p.t.Errorf("%s has the focus, which nothing shows", what)
			}
			return n
		}
	}
	p.t.Fatalf("%s is not in the order of Tab", what)
	return n
}

// visibleFocus is whether something shows where the focus is.
const visibleFocus = `((e) => {
	const s = getComputedStyle(e.closest(".node") ? e.querySelector(".ring") : e);
	return e.closest(".node") ? s.stroke !== "none" && parseFloat(s.strokeWidth) >= 2 : s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2;
})(document.activeElement)`

// picture writes what is seen, where pictures are wanted.
func (p *tab) picture(name string) {
	p.t.Helper()
	var shot []byte
	p.run(chromedp.CaptureScreenshot(&shot))
	if *pictures == "" {
		return
	}
	small, err := reduced(shot)
	if err != nil || len(small) > 150<<10 {
		p.t.Errorf("the picture %s has %d bytes: %v", name, len(small), err)
	}
	if err := os.WriteFile(filepath.Join(*pictures, name+".png"), small, 0o644); err != nil {
		p.t.Error(err)
	}
}

// faintest is the least contrast of text on the page to what is behind it (WCAG 2.2, 1.4.3), and of which text.
func (p *tab) faintest() (contrast float64, text string) {
	p.t.Helper()
	found := is[struct {
		Least float64 `json:"least"`
		Text  string  `json:"text"`
	}](p, `(() => {
	const rgba = (c) => { const m = c.match(/[\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
	const light = (c) => c.slice(0, 3).map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
	let least = 99, text = "";
	for (const e of document.querySelectorAll("body *")) {
		const own = [...e.childNodes].filter((n) => n.nodeType === 3 && n.data.trim()).map((n) => n.data).join("");
		if (!own || !e.getClientRects().length || e.closest("noscript, .skip")) continue;
		const style = getComputedStyle(e), svg = e.closest("svg");
		let back = svg ? svg : e;
		while (back && rgba(getComputedStyle(back).backgroundColor)[3] === 0) back = back.parentElement;
		const a = light(rgba(svg ? style.fill : style.color)), b = light(rgba(getComputedStyle(back || document.body).backgroundColor));
		const c = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
		if (c < least) { least = c; text = own; }
	}
	return { least, text };
})()`)
	return math.Round(100*found.Least) / 100, found.Text
}

func at(format string, a ...any) string { return fmt.Sprintf(format, a...) }
