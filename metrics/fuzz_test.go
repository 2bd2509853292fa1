package metrics

import (
	"bytes"
	"math"
	"testing"
)

// No bytes are a panic, and what is read is written and read again as the same.
func FuzzReadFeatureStats(f *testing.F) {
	var seed bytes.Buffer
	if err := WriteFeatureStats(&seed, FeatureStats{
		Extractor: "e", Split: "s", N: 3, Mean: []float64{1, 2}, Cov: []float64{2, 0.5, 0.5, 1},
	}); err != nil {
		f.Fatal(err)
	}
	f.Add(seed.Bytes())
	f.Add(seed.Bytes()[:seed.Len()-3])
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, buf []byte) {
		s, err := ReadFeatureStats(bytes.NewReader(buf))
		if err != nil {
			return
		}
		for _, v := range append(s.Mean, s.Cov...) {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Fatalf("read %g without a word", v)
			}
		}
		var written bytes.Buffer
		if err := WriteFeatureStats(&written, s); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, err := ReadFeatureStats(bytes.NewReader(written.Bytes()))
		if err != nil || again.N != s.N || len(again.Cov) != len(s.Cov) {
			t.Errorf("written and read again: %v", err)
		}
	})
}
