package page

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func handler(t *testing.T, o Options) http.Handler {
	t.Helper()
	h, err := Handler(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(h http.Handler, path string, headers ...string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for k := 0; k < len(headers); k += 2 {
		r.Header.Set(headers[k], headers[k+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestFilesAreServedWithTheirTypesAndThePolicy(t *testing.T) {
	h := handler(t, Options{Runs: true, Lecture: true, Version: "v1"})
	for path, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/lecture": "text/html; charset=utf-8", "/page.json": "application/json",
		"/static/ui/ui.css": "text/css; charset=utf-8", "/static/ui/plane.js": "text/javascript; charset=utf-8",
		"/static/ui/icon.svg": "image/svg+xml", "/static/coastline.bin": "application/octet-stream",
		"/static/vendor/uplot/LICENSE": "text/plain; charset=utf-8",
	} {
		r := get(h, path)
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != kind {
			t.Errorf("%s: %d, %s; want 200 and %s", path, r.StatusCode, r.Header.Get("Content-Type"), kind)
		}
		if p := r.Header.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'self'") ||
			!strings.Contains(p, "frame-ancestors 'none'") || strings.Contains(p, "unsafe") {
			t.Errorf("%s: the policy is %q", path, p)
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: browsers may guess its type", path)
		}
		again := get(h, path, "If-None-Match", r.Header.Get("ETag"))
		body, err := io.ReadAll(again.Body)
		if again.StatusCode != http.StatusNotModified || len(body) > 0 || err != nil {
			t.Errorf("%s: asked again: %d with %d bytes", path, again.StatusCode, len(body))
		}
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	h := handler(t, Options{Runs: true})
	for _, path := range []string{"/lecture", "/static/", "/static/ui", "/static/ui/nothing.js", "/index.html"} {
		if r := get(h, path); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, r.StatusCode)
		}
	}
	if _, err := Handler(Options{}); err == nil {
		t.Error("pages of nothing are served")
	}
}

func TestTheFirstPageIsTheLectureWhereThereAreNoRuns(t *testing.T) {
	h := handler(t, Options{Lecture: true, Version: "v1"})
	if r := get(h, "/"); r.StatusCode != http.StatusFound || r.Header.Get("Location") != "/lecture" {
		t.Errorf("%d to %q", r.StatusCode, r.Header.Get("Location"))
	}
	var about struct {
		Runs, Lecture bool
		Version       string
	}
	if err := json.NewDecoder(get(h, "/page.json").Body).Decode(&about); err != nil || about.Runs || !about.Lecture ||
		about.Version != "v1" {
		t.Errorf("%+v, %v", about, err)
	}
}

// A page may load what is embedded only: names of files are checked here, so that a wrong one is not
// first seen in a browser.
func TestWhatPagesLoadIsThere(t *testing.T) {
	files, err := load(embedded)
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"static/index.html", "static/lecture.html"} {
		for _, part := range strings.Split(string(files[page].body), `"`) {
			if strings.HasPrefix(part, "/") && files[strings.TrimPrefix(part, "/")] == nil {
				t.Errorf("%s loads %s, which is not there", page, part)
			}
		}
		if strings.Contains(string(files[page].body), "://") {
			t.Errorf("%s loads something from elsewhere", page)
		}
	}
}

// Lines of JavaScript are as short as those of Go; only one text alone may be longer, for it is not cut in two.
func TestLinesOfJavaScriptAreShort(t *testing.T) {
	files, err := load(embedded)
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`"[^"]{60,}"`)
	for name, f := range files {
		if !strings.HasSuffix(name, ".js") || strings.HasPrefix(name, "static/vendor/") {
			continue
		}
		for k, line := range strings.Split(string(f.body), "\n") {
			if n := utf8.RuneCountInString(line); n > 120 && !text.MatchString(line) {
				t.Errorf("%s:%d has %d columns, and at most 120 are allowed", name, k+1, n)
			}
		}
	}
}

// No function of JavaScript is longer than one of Go may be. A function ends with the first line that closes it at
// the depth of its head.
func TestFunctionsOfJavaScriptAreShort(t *testing.T) {
	files, err := load(embedded)
	if err != nil {
		t.Fatal(err)
	}
	const longest = 60
	head := regexp.MustCompile(`^( *)(?:export )?(?:static |async |get |set )*` +
		`(?:function \w+|const \w+ = .*=>|(?:#?\w+)\(.*\)|.*(?:task|addEventListener)\(.*=>) *\(?\{$`)
	other := regexp.MustCompile(`^ *(?:if|for|while|switch) `)
	found := 0
	for name, f := range files {
		if !strings.HasSuffix(name, ".js") || strings.HasPrefix(name, "static/vendor/") {
			continue
		}
		lines := strings.Split(string(f.body), "\n")
		for k, line := range lines {
			m := head.FindStringSubmatch(line)
			if m == nil || other.MatchString(line) {
				continue
			}
			found++
			for n := k + 1; n < len(lines); n++ {
				if strings.HasPrefix(lines[n], m[1]+"}") {
					if n-k+1 > longest {
						t.Errorf("%s:%d has a function of %d lines, and at most %d are allowed", name, k+1, n-k+1,
							longest)
					}
					break
				}
			}
		}
	}
	if found < 200 {
		t.Errorf("only %d functions were found", found)
	}
}
