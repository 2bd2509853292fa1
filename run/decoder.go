package run

import (
	"fmt"
	"io"

	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/plot"
)

// Decoder returns what makes images of the points of the run, which are latents then; nil: its points are what it
// makes. The file is read at the first call.
func (r *Run) Decoder() (*nn.Decoder, error) {
	if r.decoder == nil {
		return nil, nil
	}
	d, err := r.decoder()
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	return d, nil
}

// OfLatents says whether the points of the run are latents of images, which a decoder in its folder makes of them.
func (r *Run) OfLatents() bool { return r.decoder != nil }

// decoderIn returns what reads the decoder of a model in a folder; nil: there is none.
func decoderIn(dir string, m *model.Model) func() (*nn.Decoder, error) {
	file := model.HasDecoder(dir)
	if file == "" {
		return nil
	}
	return func() (*nn.Decoder, error) {
		d, err := model.OpenDecoder(file, m.Net().Engine())
		if err != nil {
			return nil, err
		}
		if z, x := d.Latents(), m.Spec().Shape; fmt.Sprint(z) != fmt.Sprint(x) {
			return nil, fmt.Errorf("decoder %s takes latents of the shape %v, and the points of the run have %v",
				choice.Quote(file), z, x)
		}
		return d, nil
	}
}

// Images returns points x of the run, in data units, as what is shown of them, with their shape: images that the
// decoder makes of latents, or without one x itself.
func (r *Run) Images(x flow.Batch) (flow.Batch, []int, error) {
	d, err := r.Decoder()
	if d == nil || err != nil {
		return x, r.Model.Spec().Shape, err
	}
	x, err = d.Decode(x)
	return x, d.Image(), err
}

// RowsOf returns samples as rows of what is shown of them: of latents the values of images.
func (r *Run) RowsOf(d Drawn) (Rows, error) {
	spec := r.Model.Spec()
	if !r.OfLatents() {
		return RowsOf(spec, d), nil
	}
	images, shape, err := r.Images(d.X)
	if err != nil {
		return Rows{}, err
	}
	d.X, spec.Shape, spec.Columns, spec.Net.Dim = images, shape, nil, images.D
	return RowsOf(spec, d), nil
}

// imageShape returns the shape of the images that pictures show; nil where the points are none.
func (r *Run) imageShape() ([]int, error) {
	d, err := r.Decoder()
	if d != nil || err != nil {
		return d.Image(), err
	}
	return r.Model.Spec().Image(), nil
}

// imageGrid draws points that are images, or latents of such.
func (r *Run) imageGrid(w io.Writer, x flow.Batch, o plot.ImageOptions) error {
	x, shape, err := r.Images(x)
	if err != nil {
		return err
	}
	return plot.ImageGrid(w, x, shape, o)
}
