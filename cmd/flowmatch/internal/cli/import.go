package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/model/layout"
	"flowmatch/model/weights"
	"flowmatch/nn"
	"flowmatch/run"
)

type importResult struct {
	Run     string        `json:"run"`
	Layout  string        `json:"layout"`
	Weights int           `json:"weights"`
	Facts   []layout.Fact `json:"facts"`
}

func (r importResult) text(w io.Writer) {
	fmt.Fprintf(w, "run\t%s, of %d weights in the layout %s\n", r.Run, r.Weights, r.Layout)
	writeFacts(w, r.Facts)
}

func writeFacts(w io.Writer, facts []layout.Fact) {
	for _, f := range facts {
		fmt.Fprintf(w, "%s\t%s\n", f.About, f.Text)
	}
}

// layoutList is what --list prints.
type layoutList struct {
	Layouts []layoutItem `json:"layouts"`
}

type layoutItem struct {
	Name  string `json:"name"`
	About string `json:"about"`
}

func (l layoutList) text(w io.Writer) {
	for _, i := range l.Layouts {
		fmt.Fprintf(w, "%s\t%s\n", i.Name, i.About)
	}
}

type importFlags struct {
	source       layout.Source
	decoder      layout.DecoderSource
	scale, shift float64 // of the decoder
	out, backend string
	list         bool
}

// importLong describes import.
const importLong = `Make a run of the weights that another program trained, such as PyTorch models of images.

FILE is a safetensors file, in shards with their index too, or a file of PyTorch (.pt,
.pth, .ckpt, .bin) with the weights themselves (a state_dict). No code in a file is run.
Of a checkpoint with averaged weights (ema_model) these are taken; --key takes others.
For diffusers FILE is the folder with config.json, or that of a pipeline.

What shapes do not tell, such as the heads of attention, is a setting of the program:
--config FILE.json has it, or --set KEY=VALUE. What the network outputs and sees is that
of the layout, and is printed. These settings change it:

  prediction=velocity|noise|data|score|v|reversed_velocity (from data to noise)
  schedule=linear|scaled_linear|cosine, a diffusion in steps=N (1000) with the noise
    beta_start and beta_end a step; or the name of another path, such as condot
  time_scale, time_shift: the network sees time_shift + time_scale t, t = 0 at the noise
  data_mean, data_std: data are data_std x + data_mean for what the network makes
  coupling=ot where noise and data were paired so: then the score is not known

Of a model of latents --decoder has what makes images of them: a folder of AutoencoderKL
of diffusers (that of a pipeline is found), or an ONNX file. sample then writes images, and
with --latents what they are made of.

The run has no data: sample, logp --data, serve and export work, train --resume and eval do not.`

func (a *app) importCommand() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import FILE... --as LAYOUT --out DIR",
		Short: "Make a run of weights that another program trained",
		Long:  importLong,
		Example: `  flowmatch import --list
  flowmatch import cifar10.pt --as torchcfm --config cifar10.json --out runs/cifar
  flowmatch import DiT-XL-2-256x256.pt --as dit --out runs/dit
  flowmatch import SiT-XL-2-256x256.pt --as sit --decoder sd-vae-ft-mse --out runs/sit
  flowmatch import ddpm-cifar10-32 --as diffusers --out runs/ddpm`,
		Args: func(_ *cobra.Command, args []string) error { return f.checkFiles(args) },
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			if f.list {
				return layouts(), nil
			}
			f.source.Files = args
			if err := f.ofDecoder(cmd); err != nil {
				return nil, err
			}
			return importWeights(f)
		}),
	}
	fl := cmd.Flags()
	fl.StringVar(&f.source.Layout, "as", "", "layout of the weights: "+strings.Join(layout.Names(), ", "))
	fl.StringVar(&f.source.Config, "config", "", "JSON file with the settings of the network")
	fl.StringArrayVar(&f.source.Set, "set", nil, "a setting of the network or of its output, as key=value")
	fl.StringVar(&f.source.Key, "key", "", "which weights of a checkpoint (default: the averaged ones)")
	fl.StringVar(&f.out, "out", "", "folder of the run to make")
	fl.StringVar(&f.backend, "backend", "", "tensor engine: "+strings.Join(backendNames(), ", ")+" (default "+
		nn.DefaultBackend+")")
	fl.BoolVar(&f.list, "list", false, "list the layouts")
	fl.StringVar(&f.decoder.File, "decoder", "",
		"what makes images of latents: a folder of AutoencoderKL, or an ONNX file (default: that of a pipeline)")
	fl.Float64Var(&f.scale, "decoder-scale", 0,
		"what latents were multiplied with (default: scaling_factor of the decoder's config.json)")
	fl.Float64Var(&f.shift, "decoder-shift", 0,
		"what was subtracted from latents before (default: shift_factor of the decoder's config.json, or 0)")
	for _, other := range []string{"as", "config", "set", "key", "out", "backend", "decoder", "decoder-scale",
		"decoder-shift"} {
		cmd.MarkFlagsMutuallyExclusive("list", other)
	}
	complete(cmd, "as", layout.Names()...)
	complete(cmd, "backend", backendNames()...)
	completeFiles(cmd, "config", "json")
	return cmd
}

// ofDecoder reports flags of a decoder that are wrong, or have no effect.
func (f *importFlags) ofDecoder(cmd *cobra.Command) error {
	if f.decoder.File == "" {
		f.decoder.File = layout.PipelineDecoder(f.source.Files...)
	}
	for _, flag := range []struct {
		name string
		v    *float64
		to   **float64
	}{{"decoder-scale", &f.scale, &f.decoder.Scale}, {"decoder-shift", &f.shift, &f.decoder.Shift}} {
		switch {
		case !cmd.Flags().Changed(flag.name):
		case f.decoder.File == "":
			return usagef("--%s is for --decoder, which is not given", flag.name)
		default:
			*flag.to = flag.v
		}
	}
	if s := f.decoder.Scale; s != nil && !(*s > 0 && *s <= math.MaxFloat64) {
		return usagef("--decoder-scale is %g; it must be above 0", *s)
	}
	return nil
}

// checkFiles reports files that are missing, or have no effect.
func (f importFlags) checkFiles(files []string) error {
	switch {
	case f.list && len(files) > 0:
		return usagef("--list takes no FILE")
	case !f.list && len(files) == 0:
		return usagef("FILE is missing")
	}
	return nil
}

func layouts() layoutList {
	var l layoutList
	for _, row := range layout.All() {
		l.Layouts = append(l.Layouts, layoutItem{row.Name, row.About})
	}
	return l
}

func importWeights(f importFlags) (result, error) {
	switch {
	case f.source.Layout == "":
		return nil, usagef("--as is missing: the layout, one of %s", strings.Join(layout.Names(), ", "))
	case f.out == "":
		return nil, usagef("--out is missing: the folder of the run to make")
	}
	if err := checkBackend(f.backend); err != nil {
		return nil, err
	}
	if err := run.Importable(f.out); err != nil { // before weights of gigabytes are read
		return nil, asUsage(err, run.ErrExists, run.ErrInTheWay)
	}
	eng, err := nn.Open(f.backend)
	if err != nil {
		return nil, err
	}
	im, err := layout.Import(eng, f.source)
	if err != nil {
		return nil, importFault(err)
	}
	o := run.AdoptOptions{Backend: f.backend, Coupling: im.Coupling, LabelDropout: im.LabelDropout}
	if f.decoder.File != "" {
		d, err := layout.ImportDecoder(eng, f.decoder, im.Model.Spec().Shape)
		if err != nil {
			return nil, importFault(err)
		}
		o.Decoder, im.Facts = d.Save, append(im.Facts, d.Facts...)
	}
	facts, m := im.Facts, im.Model
	im = nil // whose weights are read again from the folder
	r, err := run.Adopt(m, f.out, o)
	if err != nil {
		return nil, asUsage(err, run.ErrExists, run.ErrInTheWay)
	}
	return importResult{r.Dir, f.source.Layout, r.Model.Net().NumWeights(), facts}, nil
}

// importFault says of an error what to do.
func importFault(err error) error {
	switch {
	case errors.Is(err, weights.ErrGlobal):
		return fmt.Errorf("%w: load it in Python and save the state_dict() alone", err)
	case errors.Is(err, layout.ErrNoScale):
		err = fmt.Errorf("%w: give it with --decoder-scale", err)
	case errors.Is(err, layout.ErrDecoderAlone):
		err = fmt.Errorf("%w: give it with --decoder beside the weights of that model", err)
	}
	return asUsage(err, layout.ErrAsked, fs.ErrNotExist)
}

type weightsResult struct {
	Run    string        `json:"run"`
	File   string        `json:"file"`
	Step   int           `json:"step"`
	Layout string        `json:"layout"`
	Facts  []layout.Fact `json:"facts"`
}

func (r weightsResult) text(w io.Writer) {
	fmt.Fprintf(w, "weights\t%s of %s, step %d, in the layout %s\n", r.File, r.Run, r.Step, r.Layout)
	writeFacts(w, r.Facts)
}

// exportWeights writes the weights of a run for another program.
func exportWeights(dir string, f exportFlags) (result, error) {
	r, err := f.open(dir, ".safetensors")
	if err != nil {
		return nil, err
	}
	facts, err := layout.Export(r.Model, f.as, f.out)
	if err != nil {
		return nil, asUsage(err, layout.ErrAsked)
	}
	return weightsResult{r.Dir, f.out, r.Step, f.as, facts}, nil
}
