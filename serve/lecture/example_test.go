package lecture_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"

	"flowmatch/serve/lecture"
)

// The marginal field at a point is the weighted mean of the conditional fields there (equation 8).
func Example() {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", lecture.Root+"fields?law=ring&points=3&t=0.5&x=0.5&y=1", nil)
	lecture.Handler(lecture.Options{}).ServeHTTP(w, r)
	var a struct {
		Weights        []float64
		Mean, Marginal [2]float64
	}
	if err := json.NewDecoder(w.Body).Decode(&a); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("weights  %.3f\nmean     %.4f\nmarginal %.4f\n", a.Weights, a.Mean, a.Marginal)
	// Output:
	// weights  [0.011 0.031 0.958]
	// mean     [-1.1530 3.1092]
	// marginal [-1.1530 3.1092]
}
