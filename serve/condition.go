package serve

import (
	"flowmatch/client"
	"flowmatch/data/image"
	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/run"
)

// This file reads images that images are made from.

// contextsFor returns the contexts of a request, in units of the data (c) and of the model (z): of numbers by their
// names, or made of images, with these where they are whole.
func contextsFor(r *served, given client.Rows, images [][]float64) (c, z, original flow.Batch, err error) {
	switch of := r.Model.Conditioner(); {
	case given != nil && images != nil:
		err = invalid("given: condition has images, and a model takes contexts of one kind; leave one of them out")
	case images != nil, of != nil && given == nil:
		z, original, err = conditionsOf(r, images)
		c = z
	default:
		c, z, err = contextsOf(r.Model, given)
	}
	return c, z, original, err
}

// conditionsOf returns the contexts that images of a request make, and the images where they are whole; the zero Batch
// of a model that makes images from none. Random masks are those of the seed of the run, as on the command line.
func conditionsOf(r *served, images [][]float64) (context, original flow.Batch, err error) {
	c := r.Model.Conditioner()
	switch {
	case c == nil && images != nil:
		return context, original, invalid("condition: the model makes no images from images; leave it out")
	case c == nil:
		return context, original, nil
	case len(images) == 0:
		or := map[string]string{image.SuperRes: "give some, small or whole",
			image.Inpaint: "give some, or ask /complete"}
		return context, original, invalid("condition: the model makes images from images (%s); %s", c.Config(),
			or[c.Config().Kind])
	}
	low := 0
	if shape := c.LowShape(); shape != nil {
		low = shape[0] * shape[1] * shape[2]
	}
	x, err := imagesOf(images, r.Model.Dim(), low)
	if err != nil {
		return context, original, err
	}
	if x.D != low {
		if context, err = r.Model.ContextOf(x, r.Config.Seed); err != nil {
			return context, original, invalid("condition: %v", err)
		}
		return context, x, nil
	}
	context = flow.NewBatch(x.N, c.Dim())
	if err := c.Enlarge(context, x); err != nil {
		return context, original, invalid("condition: %v", err)
	}
	return context, original, nil
}

// imagesOf are images of so many values, or small ones of low; 0: there are none such.
func imagesOf(images [][]float64, full, low int) (x flow.Batch, err error) {
	x = flow.NewBatch(len(images), len(images[0]))
	switch {
	case x.D == full, x.D == low && low > 0:
	case low > 0:
		return x, invalid("condition: image 1 has %d values; a whole one has %d, and a small one %d", x.D, full, low)
	default:
		return x, invalid("condition: image 1 has %d values; an image of the model has %d", x.D, full)
	}
	for i, image := range images {
		if len(image) != x.D {
			return x, invalid("condition: image %d has %d values, and image 1 has %d", i+1, len(image), x.D)
		}
		for k, v := range image {
			if !(v >= -1 && v <= 1) {
				return x, invalid("condition: value %d of image %d is %g; pixels are from -1 to 1", k+1, i+1, v)
			}
		}
		copy(x.Row(i), image)
	}
	return x, nil
}

// prompt is what a picture of the samples shows beside them; the zero Prompt of images that are made from none.
func (d *drawing) prompt() eval.Prompt {
	c := d.of.Model.Conditioner()
	if c == nil {
		return eval.Prompt{}
	}
	return eval.Prompt{Given: flow.Given{Context: d.drawn.Context}, Original: d.original, Condition: c}
}

// kept are the samples with what is known of each in its place: a solve comes close.
func (d *drawing) kept(rows run.Rows) (run.Rows, error) {
	if d.job.logp != nil || d.of.Model.Conditioner() == nil {
		return rows, nil
	}
	return rows, d.prompt().Keep(rows.X)
}
