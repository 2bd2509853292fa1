package page_test

import (
	"fmt"
	"net/http/httptest"

	"flowmatch/serve/page"
)

// A service of the lecture alone leads browsers there.
func ExampleHandler() {
	h, err := page.Handler(page.Options{Lecture: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, path := range []string{"/", "/lecture", "/static/ui/plane.js"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(path, w.Code, w.Header().Get("Location"), w.Header().Get("Content-Type"))
	}
	// Output:
	// / 302 /lecture text/html; charset=utf-8
	// /lecture 200  text/html; charset=utf-8
	// /static/ui/plane.js 200  text/javascript; charset=utf-8
}
