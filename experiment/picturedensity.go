package experiment

import (
	"context"
	"io"

	"flowmatch/run"
)

// kindDensity is the picture of the learnt density of a run.
const kindDensity = "density"

// drawDensity draws what flowmatch plot --kind density does, of the run of the first method.
func (p Picture) drawDensity(ctx context.Context, w io.Writer, g Grid, cells []Cell,
	results []Result) (missing []string, err error) {
	shown, missing := p.cells(g, cells, results)
	if len(shown) == 0 {
		return missing, errEmpty
	}
	c := shown[0]
	r, err := run.OpenWith(c.Dir, run.OpenOptions{Known: &c.Config})
	if err != nil {
		return missing, err
	}
	return missing, r.Picture(ctx, w, kindDensity, run.PictureOptions{DPI: galleryDPI, Log: true})
}
