package plot

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"
)

func TestCalibrationShowsHowFarLevelsAreFromUniformOnes(t *testing.T) {
	even, narrow := make([]float64, 400), make([]float64, 400)
	for i := range even {
		even[i] = (float64(i) + 0.5) / 400
		narrow[i] = 0.5 + 0.5*math.Copysign(math.Pow(math.Abs(2*even[i]-1), 0.3), even[i]-0.5)
	}
	var right, wrong bytes.Buffer
	for _, p := range []struct {
		w *bytes.Buffer
		u []float64
	}{{&right, even}, {&wrong, narrow}} {
		if err := Calibration(p.w, []Levels{{"rank of a", p.u}}, Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if bytes.Equal(right.Bytes(), wrong.Bytes()) {
		t.Error("levels that are not uniform have the picture of those that are")
	}
	for want, levels := range map[error][]Levels{
		ErrEmpty: {{"a", nil}}, ErrNotFinite: {{"a", []float64{0.5, 1.5}}},
	} {
		if err := Calibration(io.Discard, levels, Options{}); !errors.Is(err, want) {
			t.Errorf("%v: %v, want %v", levels, err, want)
		}
	}
	err := Calibration(io.Discard, []Levels{{"a", []float64{math.NaN(), 0.5}}}, Options{})
	if !errors.Is(err, ErrNotFinite) {
		t.Errorf("a level that is NaN: %v", err)
	}
	if err := Calibration(io.Discard, nil, Options{}); !errors.Is(err, ErrEmpty) {
		t.Errorf("no levels: %v", err)
	}
}
