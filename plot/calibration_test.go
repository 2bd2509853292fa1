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
	// Of the levels 1/2 ± |2e-1|^0.3/2 as many as 1/2 ± |2q-1|^(1/0.3)/2 are up to q.
	a, b := excess("right", even), excess("narrow", narrow)
	for i, q := range a.X {
		want := 0.5 + 0.5*math.Copysign(math.Pow(math.Abs(2*q-1), 1/0.3), q-0.5) - q
		if math.Abs(a.Y[i]) > 1./800+1e-12 || math.Abs(b.Y[i]-want) > 1./800+1e-12 {
			t.Errorf("at level %g: %.5f of right levels, want 0, and %.5f of narrow ones, want %.5f", q, a.Y[i], b.Y[i],
				want)
		}
	}
	var picture bytes.Buffer
	err := Calibration(&picture, []Levels{{"rank of a", even}, {"rank of b", narrow}}, Options{})
	if err != nil || !bytes.HasPrefix(picture.Bytes(), []byte("\x89PNG")) {
		t.Errorf("a picture of %d bytes (%v)", picture.Len(), err)
	}
	for want, levels := range map[error][]Levels{
		ErrEmpty: {{"a", nil}}, ErrNotFinite: {{"a", []float64{0.5, 1.5}}},
	} {
		if err := Calibration(io.Discard, levels, Options{}); !errors.Is(err, want) {
			t.Errorf("%v: %v, want %v", levels, err, want)
		}
	}
	err = Calibration(io.Discard, []Levels{{"a", []float64{math.NaN(), 0.5}}}, Options{})
	if !errors.Is(err, ErrNotFinite) {
		t.Errorf("a level that is NaN: %v", err)
	}
	if err := Calibration(io.Discard, nil, Options{}); !errors.Is(err, ErrEmpty) {
		t.Errorf("no levels: %v", err)
	}
}
