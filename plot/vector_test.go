package plot_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"flowmatch/plot"
)

// Curves in an SVG are outlines, and points are pixels within them.
func TestSVGIsMadeOfOutlines(t *testing.T) {
	o := plot.Options{Format: plot.SVG, Title: "a < b & c", Size: 1}
	file := func(f func(io.Writer) error) string {
		var b bytes.Buffer
		if err := f(&b); err != nil {
			t.Fatal(err)
		}
		for d := xml.NewDecoder(bytes.NewReader(b.Bytes())); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				return b.String()
			} else if err != nil {
				t.Fatalf("not XML: %v", err)
			}
		}
	}
	line := plot.Series{Name: "σ, 10⁻³", X: []float64{1e-6, 1}, Y: []float64{1, 2}, SD: []float64{0.1, 0.1}}
	lines := file(func(w io.Writer) error {
		return plot.Lines(w, []plot.Series{line}, plot.LineOptions{Options: o})
	})
	if strings.Contains(lines, "<image") || strings.Contains(lines, "<text") {
		t.Error("a picture of lines has pixels or letters of a font; want outlines only")
	}
	if n := strings.Count(lines, "<path"); n < 30 {
		t.Errorf("%d outlines, want those of axes, letters and the line", n)
	}
	dots := file(func(w io.Writer) error {
		return plot.Samples(w, []plot.Panel{{Points: points(0, 0, 1, 1)}, {Points: points(0, 1)}}, o)
	})
	if n := strings.Count(dots, "<image"); n != 2 {
		t.Errorf("%d images in a picture of two panels of points, want 2", n)
	}
}

func TestPDFIsAFileOfItsKind(t *testing.T) {
	var first []byte
	for range 2 {
		var b bytes.Buffer
		err := plot.Samples(&b, []plot.Panel{{Points: points(0, 0, 1, 1)}}, plot.Options{Format: plot.PDF})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(b.Bytes(), []byte("%PDF-")) || !bytes.Contains(b.Bytes(), []byte("%%EOF")) {
			t.Error("this is no PDF")
		}
		if !bytes.Contains(b.Bytes(), []byte("CreationDate (D:20000101000000")) {
			t.Error("the date is that of today: the same picture is another file tomorrow")
		}
		if first == nil {
			first = b.Bytes()
		} else if !bytes.Equal(first, b.Bytes()) {
			t.Error("the same picture twice: other bytes")
		}
	}
}

func TestAnUnknownFormatIsRefused(t *testing.T) {
	err := plot.Samples(io.Discard, []plot.Panel{{Points: points(0, 0)}}, plot.Options{Format: "bmp"})
	if !errors.Is(err, plot.ErrOptions) || !strings.Contains(err.Error(), "one of svg, pdf") {
		t.Errorf("got %v", err)
	}
}
