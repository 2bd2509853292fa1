package run

import (
	"strings"
	"testing"
)

// A velocity that is singular at an end is drawn where it is not.
func TestPicturesKeepToTheModelsSpan(t *testing.T) {
	for _, prediction := range []string{"data", "noise", "score"} {
		r := trained(t, strings.Replace(tiny, "train: {", "train: {prediction: "+prediction+", ", 1))
		for _, kind := range Pictures() {
			err := r.Picture(t.Context(), new(strings.Builder), kind, PictureOptions{N: 20, Cells: 4})
			if err != nil {
				t.Errorf("a picture of the %s of a prediction of %s: %v", kind, prediction, err)
			}
		}
	}
}
