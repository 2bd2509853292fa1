package report

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"

	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/plot"
	"flowmatch/run"
)

// picture is one of the page, as the URLs that hold it, or why there is none.
type picture struct {
	Title, Text string
	Light       template.URL // data: URLs of PNGs
	Dark        template.Srcset
	Failed      string
}

// draw makes a picture by a function that draws it in light or dark colours.
func draw(ctx context.Context, title, text string, by func(w io.Writer, dark bool) error) picture {
	p := picture{Title: title, Text: text}
	for _, dark := range []bool{false, true} {
		var png bytes.Buffer
		err := ctx.Err()
		if err == nil {
			err = by(&png, dark)
		}
		if err != nil {
			p.Failed = choice.Spoken(err)
			return p
		}
		// The bytes of a picture of ours, in an alphabet that needs no escape.
		url := "data:image/png;base64," + base64.StdEncoding.EncodeToString(png.Bytes())
		if dark {
			p.Dark = template.Srcset(url)
		} else {
			p.Light = template.URL(url)
		}
	}
	return p
}

// look is that of all pictures.
func look(dark bool) plot.Options { return plot.Options{DPI: pageDPI, Dark: dark} }

// pageDPI is sharp on screens of two pixels for one.
const pageDPI = 144

// groups draws what the page shows.
func (p Page) groups(ctx context.Context) []group {
	var all []group
	add := func(title, note string, big bool, pictures ...picture) {
		if len(pictures) > 0 {
			all = append(all, group{title, note, big, pictures})
		}
	}
	spec := p.Run.Model.Spec()
	if c := p.Report.Correlations; c != nil {
		add("Correlations", "Spearman's correlation of two numbers, Cramér's V of two columns of levels, and the "+
			"correlation ratio of ranks where one is of levels. The last two are corrected for chance. "+
			"Grey: not defined.", false, matrices(ctx, c)...)
	}
	add("Samples and data", "", spec.Image() == nil, p.samples(ctx)...)
	add("Training", "", true, draw(ctx, "Loss", "of training and, where points are held out for it, of validation",
		func(w io.Writer, dark bool) error {
			return p.Run.Picture(ctx, w, "loss", run.PictureOptions{DPI: pageDPI, Dark: dark})
		}))
	return all
}

// Images of a grid, and points of a picture.
const imagesShown, pointsShown = 64, 2000

// samples draws samples beside data, and the density of points in the plane.
func (p Page) samples(ctx context.Context) (all []picture) {
	spec := p.Run.Model.Spec()
	ofRun := func(title, text, kind string, n int) {
		all = append(all, draw(ctx, title, text, func(w io.Writer, dark bool) error {
			o := run.PictureOptions{N: n, Seed: p.Report.Seed, DPI: pageDPI, Dark: dark}
			return p.Run.Picture(ctx, w, kind, o)
		}))
	}
	switch {
	case spec.Image() != nil:
		ofRun("Samples", "", "samples", imagesShown-imagesShown%max(1, p.Run.ClassColumns()))
		all = append(all, draw(ctx, "Held-out images", "", p.heldOut))
	case spec.Schema != nil && len(spec.Schema.Numbers()) < 2: // there are no points to see
	case spec.Schema == nil && p.Run.Model.Dim() > plot.MaxPairs:
		ofRun("Samples beside held-out data", "the first two columns", "samples", pointsShown)
	default:
		ofRun("Samples beside held-out data", "", "samples", pointsShown)
	}
	if spec.Schema == nil && spec.Image() == nil && p.Run.Model.Dim() <= 2 && p.Run.Model.HasDensity() == nil {
		ofRun("Density", "", "density", 0)
	}
	return all
}

// heldOut draws images of the data.
func (p Page) heldOut(w io.Writer, dark bool) error {
	s, err := p.Run.Subject(true)
	if err != nil {
		return err
	}
	x, _, err := s.TestPoints(imagesShown)
	if err != nil {
		return err
	}
	return p.Run.DrawPoints(w, x, nil, 8, run.PictureOptions{Dark: dark})
}

// present returns the numbers of a column that are there.
func present(x flow.Batch, k int) flow.Batch {
	out := flow.Batch{D: 1}
	for i := range x.N {
		if v := x.Row(i)[k]; v == v {
			out.X, out.N = append(out.X, v), out.N+1
		}
	}
	return out
}

// percent writes a share.
func percent(v float64) string { return fmt.Sprintf("%.3g %%", 100*v) }
