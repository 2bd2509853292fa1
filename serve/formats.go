package serve

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"flowmatch/client"
	"flowmatch/data/table"
	"flowmatch/internal/choice"
	"flowmatch/run"
)

// encoded is an answer whose type of content the request chose.
type encoded struct {
	ContentType string   `header:"Content-Type"`
	Step        int      `header:"Flowmatch-Step"`
	Seed        string   `header:"Flowmatch-Seed"`
	Solver      string   `header:"Flowmatch-Solver"`
	Warnings    []string `header:"Flowmatch-Warning"`
	Body        []byte
}

// accepted returns which of the types of content of samples a request wants, by the Accept of HTTP; JSON
// where it does not matter.
func accepted(accept string) (string, error) {
	best, ok := prefers(accept, media)
	if !ok {
		return "", huma.Error406NotAcceptable(fmt.Sprintf("samples are %s, %s, %s, %s or %s", client.JSON, client.CSV,
			client.NPY, client.NPZ, client.PNG))
	}
	return best, nil
}

// media are the types of content of points, by what Accept may say.
var media = map[string]string{client.JSON: client.JSON, "*/*": client.JSON, "application/*": client.JSON,
	client.CSV: client.CSV, "text/*": client.CSV, client.NPY: client.NPY, "application/octet-stream": client.NPY,
	client.NPZ: client.NPZ, "application/zip": client.NPZ, client.PNG: client.PNG, "image/*": client.PNG}

// prefers returns which type of content an Accept wants most, of those that there are; JSON where it says nothing.
func prefers(accept string, media map[string]string) (string, bool) {
	if accept == "" {
		return client.JSON, true
	}
	best, weight := "", 0.0
	for part := range strings.SplitSeq(accept, ",") {
		name, rest, _ := strings.Cut(part, ";")
		q := 1.0
		if _, v, ok := strings.Cut(rest, "q="); ok {
			if w, err := strconv.ParseFloat(strings.TrimSpace(v), 64); err == nil {
				q = w
			}
		}
		if as := media[strings.ToLower(strings.TrimSpace(name))]; as != "" && q > weight {
			best, weight = as, q
		}
	}
	return best, best != ""
}

// suits reports a type of content that the samples of a request cannot have.
func (d *drawing) suits(as string) error {
	spec := d.of.Model.Spec()
	switch {
	case as != client.PNG && d.cols > 0:
		return invalid("columns: they are those of a picture; leave it out, or accept %s", client.PNG)
	case d.cols > 0 && d.of.Model.Conditioner() != nil:
		return invalid("columns: a picture shows each sample beside the image that it is made from; leave it out")
	case as != client.JSON && len(d.with) > 0:
		return invalid("with: JSON alone has something besides; leave it out, or accept %s", client.JSON)
	case as == client.PNG && spec.Image() == nil:
		return huma.Error406NotAcceptable(fmt.Sprintf("pictures are of images, and the model makes none; accept %s, "+
			"%s or %s", client.JSON, client.CSV, client.NPY))
	case as == client.PNG && d.of.Drawable() != nil:
		return huma.Error406NotAcceptable(fmt.Sprintf("%s; accept %s, %s or %s", choice.Spoken(d.of.Drawable()),
			client.JSON, client.CSV, client.NPY))
	case as == client.PNG && d.job.logp != nil:
		return invalid("logp: a picture has no log-densities; leave it out")
	case (as == client.NPY || as == client.NPZ) && spec.Schema != nil && spec.Schema.CheckNumbers() != nil:
		return huma.Error406NotAcceptable(fmt.Sprintf("%v; accept %s or %s", spec.Schema.CheckNumbers(), client.JSON,
			client.CSV))
	}
	return nil
}

// encode writes the samples in a format other than JSON.
func (d *drawing) encode(as string, rows run.Rows) (*encoded, error) {
	out := &encoded{ContentType: as, Step: d.info.Step, Seed: d.seedText(), Solver: d.info.Solver,
		Warnings: d.info.Warnings}
	var b bytes.Buffer
	var err error
	switch as {
	case client.CSV:
		out.Warnings = append(out.Warnings, rows.Notes...)
		err = rows.CSV(&b)
	case client.NPY:
		err = table.EncodeNPY(&b, rows.X)
	case client.NPZ:
		err = writeNPZ(&b, rows)
	case client.PNG:
		if p := d.prompt(); p.OfImages() {
			err = d.of.DrawPrompt(&b, rows.X, p)
		} else {
			err = d.of.DrawPoints(&b, rows.X, d.drawn.Label, d.cols, run.PictureOptions{})
		}
	}
	out.Body = b.Bytes()
	return out, err
}

// seedText is the header of the seed, which samples of given noise have not.
func (d *drawing) seedText() string {
	if d.info.Seed == nil {
		return ""
	}
	return strconv.FormatUint(*d.info.Seed, 10)
}

// writeNPZ writes samples as x, and what belongs to each beside it, as NumPy's savez does.
func writeNPZ(w io.Writer, rows run.Rows) error {
	var all []encodes
	for _, a := range append([]run.Array{{Name: "x", X: rows.X}}, rows.Beside...) {
		all = append(all, encodes{a.Name, func(w io.Writer) error { return table.EncodeNPY(w, a.X) }})
	}
	return writeArrays(w, all)
}

// encodes is an array of an archive by its name.
type encodes struct {
	name string
	to   func(w io.Writer) error
}

// writeArrays writes an archive of arrays.
func writeArrays(w io.Writer, all []encodes) error {
	z := zip.NewWriter(w)
	for _, a := range all {
		part, err := z.CreateHeader(&zip.FileHeader{Name: a.name + ".npy", Method: zip.Store})
		if err != nil {
			return err
		}
		if err := a.to(part); err != nil {
			return err
		}
	}
	return z.Close()
}
