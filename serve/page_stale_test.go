package serve

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"flowmatch/internal/browser"
	"flowmatch/run"
)

// A picture that is not of the values beside it is dim, below what is wrong.
func TestWhatIsOutOfDateIsDimInABrowser(t *testing.T) {
	dir := t.TempDir()
	_, h := serving(t, func(o *Options) { o.Runs = []string{posteriorRun(t, dir)} })
	var wrong atomic.Bool
	url := between(t, h, func(w http.ResponseWriter, r *http.Request) bool {
		if !wrong.Load() || !strings.HasSuffix(r.URL.Path, "/stream") {
			return false
		}
		http.Error(w, "the values are too far", http.StatusUnprocessableEntity)
		return true
	})
	p := browser.Open(t, browser.Options{})
	p.Go(url + "/#posterior/flow")
	p.Wait(`document.querySelector("#pane-flow canvas")`)
	still(p)
	wrong.Store(true)
	set(p, "x1", "30")
	p.Wait(`document.querySelector(".status:has(.error) + .picture.stale")`)
	p.Problems() // the browser itself reports a 422
	wrong.Store(false)
	set(p, "x1", "0")
	p.Wait(`!document.querySelector(".error, .stale")`)
	complaints(t, p)
}

// The place of a date shows how dates are written.
func TestADateIsAskedForAsADateInABrowser(t *testing.T) {
	file := filepath.Join(t.TempDir(), "visits.csv")
	text := "day,height\n"
	for i := range 120 {
		text += fmt.Sprintf("2024-%02d-%02d,%.2f\n", 1+i%12, 1+i%28, 1.5+float64(i*31%97)/200)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := run.TableConfig(file, []string{"train.steps=20", "net.hidden=[16, 16]", "train.batch=32",
		"train.shown=0.5"})
	if err != nil {
		t.Fatal(err)
	}
	dir := fitted(t, cfg, filepath.Join(t.TempDir(), "visits"))
	_, h := serving(t, func(o *Options) { o.Runs = []string{dir} })
	p := browser.Open(t, browser.Options{})
	p.Go(h.URL + "/#visits/rows")
	p.Wait(`/^\d{4}-\d\d-\d\d/.test(document.querySelector(".side input[type=text]")?.placeholder)`)
	complaints(t, p)
}
