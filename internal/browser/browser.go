// Package browser drives a headless Chromium in tests of pages.
//
// There is only one type, Page: a tab that remembers every complaint of the browser (errors of scripts,
// messages of console.error, violations of the content security policy, files that are not there), so
// that a test can ask for none. Each page is of a browser of its own, with an empty profile.
//
// # Caveats
//
// Without a Chromium, tests are skipped with a message. Where the environment variable CI is set they
// fail instead.
package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a page may take to become what a test waits for. Continuous integration is slow.
const patience = 30 * time.Second

// names are those that Chromium has on its systems.
var names = []string{"chromium", "chromium-browser", "google-chrome", "chrome", "headless-shell"}

// Options says what a page is looked at with. A zero field has the default that is named beside it.
type Options struct {
	Width, Height int    // in CSS pixels; default 1280 x 800
	Dark          bool   // the system's preference
	Language      string // of the system, as zh-CN; default en-US
	Scale         float64
}

// Page is a tab of a browser.
type Page struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	problems []string
}

// Find returns the path of a Chromium; the test is skipped where there is none, or fails with CI set.
func Find(t testing.TB) string {
	t.Helper()
	for _, name := range names {
		if file, err := exec.LookPath(name); err == nil {
			return file
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("no Chromium on the path, and CI is set: install the package chromium")
	}
	t.Skipf("no Chromium on the path (%s): the pages are not looked at", strings.Join(names, ", "))
	return ""
}

// mark is in the name of each test that opens a browser, so that a run of tests can leave them out.
const mark = "InABrowser"

// Open starts a browser with one empty page. It ends with the test.
func Open(t testing.TB, o Options) *Page {
	t.Helper()
	if !strings.Contains(t.Name(), mark) {
		t.Fatalf("%s opens a browser: its name must have %s, by which .ci/run leaves it out where it is slow", t.Name(),
			mark)
	}
	file := Find(t)
	if o.Width == 0 {
		o.Width, o.Height = 1280, 800
	}
	if o.Language == "" {
		o.Language = "en-US"
	}
	if o.Scale == 0 {
		o.Scale = 1
	}
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(file), chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("lang", o.Language),
		chromedp.Flag("disable-component-update", true))
	allocated, endBrowser := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), flags...)
	ctx, endTab := chromedp.NewContext(allocated)
	p := &Page{t: t, ctx: ctx}
	t.Cleanup(func() {
		endTab()
		endBrowser()
	})
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatalf("browser: %v", err)
	}
	scheme := "light"
	if o.Dark {
		scheme = "dark"
	}
	call(p, runtime.Enable, cdp.Empty{})
	call(p, log.Enable, cdp.Empty{})
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	call(p, emulation.SetLocaleOverride, emulation.SetLocaleOverrideParams{Locale: o.Language})
	p.resize(o.Width, o.Height, o.Scale)
	return p
}

// run runs an action; the test ends if it fails.
func run[T any](p *Page, a chromedp.Action[T]) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, a)
	if err != nil {
		p.t.Fatalf("browser: %v; it complained of %q", err, p.Problems())
	}
	return v
}

// call runs a command of the protocol; the test ends if it fails.
func call[P, R any](p *Page, c cdp.Command[P, R], params P) {
	p.t.Helper()
	run(p, func(ctx context.Context, t *chromedp.Target) (R, error) { return cdp.Call(ctx, t, c, params) })
}

// listen notes what the browser complains of.
func (p *Page) listen(event any) {
	note := func(format string, args ...any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.problems = append(p.problems, fmt.Sprintf(format, args...))
	}
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		words := e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			words += " " + x.Description
		}
		note("exception: %s", words)
	case *runtime.EventConsoleAPICalled:
		if slices.Contains([]string{"error", "warning", "assert"}, string(e.Type)) {
			var words []string
			for _, a := range e.Args {
				words = append(words, strings.TrimSpace(string(a.Value)+" "+a.Description))
			}
			note("console.%s: %s", e.Type, strings.Join(words, " "))
		}
	case *log.EventEntryAdded:
		if level := string(e.Entry.Level); level == "error" || level == "warning" {
			note("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	}
}

// Problems returns what the browser complained of since the last call.
func (p *Page) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.problems
	p.problems = nil
	return was
}

// Go opens an address, and waits until it is loaded.
func (p *Page) Go(url string) {
	p.t.Helper()
	run(p, chromedp.Navigate(url))
}

// Eval evaluates a JavaScript expression, awaits its promise, and decodes its value into out unless that
// is nil.
func (p *Page) Eval(js string, out any) {
	p.t.Helper()
	if out == nil {
		run(p, chromedp.Evaluate[chromedp.Void](js, chromedp.EvalAwaitPromise))
		return
	}
	value := run(p, chromedp.Evaluate[[]byte](js, chromedp.EvalAwaitPromise))
	if err := json.Unmarshal(value, out); err != nil {
		p.t.Fatalf("browser: %s is %s: %v", js, value, err)
	}
}

// Wait waits until a JavaScript expression is true; the test ends if it does not become so.
func (p *Page) Wait(js string) {
	p.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(30 * time.Millisecond) {
		var ok bool
		p.Eval("Boolean("+js+")", &ok)
		if ok {
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("browser: %s is not so after %s; it complained of %q", js, patience, p.Problems())
		}
	}
}

// rest waits until an element is in the window and has not moved for a few frames.
const rest = `new Promise((done) => {
	const el = document.querySelector(%q);
	el?.scrollIntoView({ block: "nearest", behavior: "instant" });
	const place = () => JSON.stringify(el?.getBoundingClientRect());
	let [before, still] = [place(), 0];
	const look = () => {
		still = place() === before ? still + 1 : 0;
		before = place();
		if (still < 4) requestAnimationFrame(look);
		else done(0);
	};
	look();
})`

// Click clicks on the first element of a CSS selector, once it rests: else the click may meet what comes in its place.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.Eval(fmt.Sprintf(rest, selector), nil)
	run(p, chromedp.Click(chromedp.CSS(selector)))
}

// Type sends keys to what has the focus; those without a letter are constants of chromedp/kb.
func (p *Page) Type(keys string) {
	p.t.Helper()
	run(p, chromedp.KeyEvent(keys))
}

// Press moves the mouse to a point of the window, in CSS pixels, and clicks.
func (p *Page) Press(x, y float64) {
	p.t.Helper()
	run(p, chromedp.MouseClickXY(x, y))
}

// Resize changes the size of the window, in CSS pixels.
func (p *Page) Resize(width, height int) {
	p.t.Helper()
	p.resize(width, height, 1)
}

func (p *Page) resize(width, height int, scale float64) {
	p.t.Helper()
	call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: int64(width), Height: int64(height), DeviceScaleFactor: scale, Mobile: width < 600})
}

// Picture returns a screenshot of the window, or of the element of a CSS selector, as PNG.
func (p *Page) Picture(selector string) []byte {
	p.t.Helper()
	if selector == "" {
		return run(p, chromedp.CaptureScreenshot())
	}
	return run(p, chromedp.Screenshot(chromedp.CSS(selector)))
}

// Colors counts the different colours of a PNG: more than a handful where something is drawn.
func (p *Page) Colors(shot []byte) int {
	p.t.Helper()
	m, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		p.t.Fatalf("browser: the screenshot is no PNG: %v", err)
	}
	seen := map[[4]uint32]bool{}
	b := m.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			seen[rgba(m, x, y)] = true
		}
	}
	return len(seen)
}

func rgba(m image.Image, x, y int) [4]uint32 {
	r, g, b, a := m.At(x, y).RGBA()
	return [4]uint32{r, g, b, a}
}
