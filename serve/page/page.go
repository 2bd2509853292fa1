package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"flowmatch/internal/coast"
)

//go:embed static
var embedded embed.FS

// policy is what a page may do: load what is served here, and nothing else. Pictures of a model come
// as answers of the API, and so as blobs.
const policy = "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; " +
	"form-action 'none'; frame-ancestors 'none'"

// types are the types of content by the end of a name. Those of the mime package depend on the machine.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".md": "text/plain; charset=utf-8", "": "text/plain; charset=utf-8",
}

// Options says what the pages are for.
type Options struct {
	Runs    bool   // models are served: the first page is that of runs
	Lecture bool   // the lecture is served
	Version string // of the program
}

// file is a file that is served.
type file struct {
	body []byte
	kind string // of content
	tag  string // ETag
}

// Handler answers GET requests for
//
//	/            the page of runs, or the way to the lecture where that is all there is
//	/lecture     the lecture
//	/page.json   what of the two there is, for the links between them
//	/static/...  what pages are made of
//
// Browsers keep a file, and ask each time whether it is still the same (ETag). The files hold no secret.
// It fails with neither runs nor a lecture.
func Handler(o Options) (http.Handler, error) {
	if !o.Runs && !o.Lecture {
		return nil, errors.New("page: there is nothing to show: neither Runs nor Lecture is set")
	}
	files, err := load(embedded)
	if err != nil {
		return nil, err
	}
	about, err := json.Marshal(map[string]any{"runs": o.Runs, "lecture": o.Lecture, "version": o.Version})
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	files["page.json"] = newFile("application/json", about)
	files["static/coastline.bin"] = newFile("application/octet-stream", coast.Bytes())
	mux := http.NewServeMux()
	mux.Handle("GET /page.json", files["page.json"])
	mux.HandleFunc("GET /static/", func(w http.ResponseWriter, r *http.Request) {
		f, ok := files[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		f.ServeHTTP(w, r)
	})
	if o.Runs {
		mux.Handle("GET /{$}", files["static/index.html"])
	} else {
		mux.Handle("GET /{$}", http.RedirectHandler("/lecture", http.StatusFound))
	}
	if o.Lecture {
		mux.Handle("GET /lecture", files["static/lecture.html"])
	}
	return mux, nil
}

// load reads the files, by their paths.
func load(from fs.FS) (map[string]*file, error) {
	files := map[string]*file{}
	err := fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		kind, ok := types[path.Ext(name)]
		if !ok {
			return fmt.Errorf("%s is of no known type of content", name)
		}
		body, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		files[name] = newFile(kind, body)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return files, nil
}

func newFile(kind string, body []byte) *file {
	sum := sha256.Sum256(body)
	return &file{body, kind, `"` + hex.EncodeToString(sum[:8]) + `"`}
}

// ServeHTTP answers with the file.
func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", f.tag)
	for _, tag := range strings.Split(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimPrefix(strings.TrimSpace(tag), "W/") == f.tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h.Set("Content-Length", fmt.Sprint(len(f.body)))
	if r.Method != http.MethodHead {
		w.Write(f.body) // who went away needs no answer
	}
}
