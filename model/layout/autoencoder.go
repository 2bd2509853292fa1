package layout

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"flowmatch/engine/onnx"
	"flowmatch/internal/choice"
	"flowmatch/model"
	"flowmatch/model/weights"
	"flowmatch/nn"
)

// DecoderSource says what makes images of the points of a model.
type DecoderSource struct {
	// File is a folder of AutoencoderKL of diffusers, or an ONNX file with a decoder.
	File string
	// Scale and Shift are what latents were made with, (z - Shift) Scale of what the encoder outputs; nil: those of
	// the config.json.
	Scale, Shift *float64
}

// Decoder is a decoder that was read, with what is to be known of it.
type Decoder struct {
	Facts []Fact
	// Save writes it into a folder, whole or not at all, as [model.OpenDecoder] reads it there.
	Save func(dir string) error
}

// ErrNoScale is what errors are of a decoder in an ONNX file whose scale nobody gives, and ErrDecoderAlone of an
// autoencoder that is imported as if it were a model.
var (
	ErrNoScale      = errors.New("an ONNX file does not say what latents are multiplied with")
	ErrDecoderAlone = errors.New("it is no model, but makes images of the latents of one")
)

// autoencoderClass is what a config.json says of the only autoencoder that is read.
const autoencoderClass = "AutoencoderKL"

// defaultScale is the scaling_factor of AutoencoderKL: that of Stable Diffusion, whose first files do not say it.
const defaultScale = 0.18215

// ImportDecoder reads what decodes latents of that shape: height, width, channels. Tensors that do not fit are one
// error, as in [Import].
func ImportDecoder(eng *nn.Engine, src DecoderSource, latents []int) (d *Decoder, err error) {
	if len(latents) != 3 {
		return nil, asked{fmt.Errorf("layout: a decoder takes latents of height, width and channels, and the points "+
			"of this model are of the shape %v", latents)}
	}
	if info, err := os.Stat(src.File); err == nil && info.IsDir() {
		d, err = readAutoencoder(src, latents)
		if err != nil {
			return nil, fmt.Errorf("layout: decoder %s: %w", src.File, err)
		}
		return d, nil
	}
	if d, err = readONNX(eng, src, latents); err != nil {
		return nil, fmt.Errorf("layout: decoder %s: %w", src.File, err)
	}
	return d, nil
}

// readAutoencoder reads a folder of AutoencoderKL as a decoder.
func readAutoencoder(src DecoderSource, latents []int) (*Decoder, error) {
	a, err := openDiffusers(src, func(of *nn.Autoencoder, colours int) error {
		if of.Latent != latents[2] {
			return asked{fmt.Errorf("it decodes latents of %d channels, and the points of the model have %d", of.Latent,
				latents[2])}
		}
		by := 1 << (len(of.Widths) - 1)
		of.Image = []int{latents[0] * by, latents[1] * by, colours}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &Decoder{Facts: a.Facts, Save: a.Save}, nil
}

// Autoencoder is one that was read, both encoder and decoder.
type Autoencoder struct {
	Of    nn.Autoencoder
	Facts []Fact

	tensors map[string][]float32
}

// OpenAutoencoder reads an autoencoder for images of that shape (height, width, channels): a folder of AutoencoderKL
// of diffusers, that of a pipeline with one in vae, a file of [model.SaveAutoencoder], or a folder with one.
func OpenAutoencoder(path string, image []int) (a *Autoencoder, err error) {
	if len(image) != 3 {
		return nil, fmt.Errorf("layout: images of the shape %v; an autoencoder takes height, width and channels", image)
	}
	if a, err = openAutoencoder(path, image); err != nil {
		return nil, fmt.Errorf("layout: autoencoder %s: %w", path, err)
	}
	return a, nil
}

func openAutoencoder(path string, image []int) (*Autoencoder, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	file := path
	if info.IsDir() {
		if file = filepath.Join(path, model.AutoencoderFile); !exists(file) {
			if vae := PipelineDecoder(path); vae != "" {
				path = vae
			}
			return openDiffusers(DecoderSource{File: path}, func(of *nn.Autoencoder, colours int) error {
				return ofImages(of, image, colours)
			})
		}
	}
	of, tensors, err := model.ReadAutoencoder(file)
	if err != nil {
		return nil, err
	}
	if err := ofImages(&of, image, of.Image[2]); err != nil {
		return nil, err
	}
	return &Autoencoder{Of: of, tensors: tensors}, of.Validate()
}

// ofImages makes an autoencoder of images of so many colours one of images of that shape.
func ofImages(a *nn.Autoencoder, image []int, colours int) error {
	if image[2] != colours {
		return asked{fmt.Errorf("it encodes images of %d channels, and these have %d", colours, image[2])}
	}
	a.Image = slices.Clone(image)
	return nil
}

// Save writes the autoencoder into a folder, whole or not at all, as [model.OpenDecoder] reads it there.
func (a *Autoencoder) Save(dir string) error {
	return model.SaveAutoencoder(filepath.Join(dir, model.AutoencoderFile), a.Of, func(name string) []float32 {
		return a.tensors[name]
	})
}

// Encoder returns the encoder on an engine.
func (a *Autoencoder) Encoder(eng *nn.Engine) (*nn.Encoder, error) {
	return nn.RestoreEncoder(eng, a.Of, func(name string, _ []int) ([]float32, error) { return a.tensors[name], nil })
}

// Numbers calls use with the name and the numbers of each tensor, in the order of [nn.Autoencoder.Tensors].
func (a *Autoencoder) Numbers(use func(name string, numbers []float32)) error {
	encoder, decoder, err := a.Of.Tensors()
	for _, t := range slices.Concat(encoder, decoder) {
		use(t.Name, a.tensors[t.Name])
	}
	return err
}

// openDiffusers reads a folder of AutoencoderKL. size sets the shape of the images, which have so many colours.
func openDiffusers(src DecoderSource, size func(of *nn.Autoencoder, colours int) error) (*Autoencoder, error) {
	s := &settings{values: map[string]any{}, known: map[string]bool{}}
	file, config, err := networkIn(src.File)
	if err != nil {
		return nil, err
	}
	if err := weights.ReadJSON(config, &s.values); err != nil {
		return nil, err
	}
	if class, ok := s.values["_class_name"]; ok && class != autoencoderClass {
		return nil, asked{fmt.Errorf("it is a %s; the only one that is read is %s", show(class), autoencoderClass)}
	}
	set, err := weights.Open(file)
	if err != nil {
		return nil, err
	}
	defer set.Close()
	f, err := only(set)
	if err != nil {
		return nil, err
	}
	a, err := planAutoencoder(f, s, src, size)
	if err != nil {
		return nil, err
	}
	read, err := a.load(f, set.Bytes)
	if err != nil {
		return nil, err
	}
	tensors := map[string][]float32{}
	for _, e := range a.entries {
		if tensors[e.ours.Name], err = read(e.ours.Name, e.ours.Shape); err != nil {
			return nil, err
		}
	}
	return &Autoencoder{Of: a.of, Facts: a.facts, tensors: tensors}, nil
}

// only returns the tensors of a file that holds one dictionary.
func only(set *weights.Set) (*found, error) {
	groups := slices.DeleteFunc(slices.Clone(set.Groups), func(g *weights.Group) bool { return len(g.Names) == 0 })
	if len(groups) != 1 {
		return nil, fmt.Errorf("it holds %d dictionaries of tensors; an autoencoder is one", len(groups))
	}
	f := &found{tensors: map[string]*weights.Tensor{}, names: groups[0].Names}
	for _, name := range f.names {
		f.tensors[name] = groups[0].Tensor(name)
	}
	return f, nil
}

// autoencoderPlan is an autoencoder with the way from the tensors of diffusers to its own.
type autoencoderPlan struct {
	plan
	of nn.Autoencoder
}

// planAutoencoder finds out what the tensors and the settings tell.
func planAutoencoder(f *found, s *settings, src DecoderSource,
	size func(of *nn.Autoencoder, colours int) error) (*autoencoderPlan, error) {
	p := &autoencoderPlan{of: nn.Autoencoder{Latent: f.column("decoder.conv_in.weight"), Scale: defaultScale}}
	a := &p.of
	for i := range f.count("decoder.up_blocks.") {
		a.Widths = slices.Insert(a.Widths, 0, f.rows(fmt.Sprintf("decoder.up_blocks.%d.resnets.0.conv1.weight", i)))
	}
	if n := len(a.Widths); n == 0 || n > 16 {
		return nil, fmt.Errorf("it is no %s: it has %d decoder.up_blocks", autoencoderClass, n)
	}
	if err := size(a, f.rows("decoder.conv_out.weight")); err != nil {
		return nil, err
	}
	a.Blocks = f.count("encoder.down_blocks.0.resnets.")
	a.Attention = f.under("decoder.mid_block.attentions.")
	a.Quant, a.PostQuant = f.has("quant_conv.weight"), f.has("post_quant_conv.weight")
	p.read(s, src)
	if err := s.done(); err != nil {
		return nil, err
	}
	return p, p.fill(f)
}

// read takes what the settings tell.
func (a *autoencoderPlan) read(s *settings, src DecoderSource) {
	s.ignore(ignoredOfDiffusers...)
	s.ignore("down_block_types", "up_block_types", "sample_size", "force_upcast")
	of := &a.of
	s.onlyThis(map[string]any{"act_fn": "silu"})
	for _, key := range []string{"latents_mean", "latents_std"} {
		if v, ok := s.get(key); ok {
			s.fail("%s is %s; latents here have one scale and one shift", key, show(v))
		}
	}
	s.same("block_out_channels", of.Widths)
	s.same("layers_per_block", of.Blocks)
	s.same("latent_channels", of.Latent)
	s.same("in_channels", of.Image[2])
	s.same("out_channels", of.Image[2])
	s.same("use_quant_conv", of.Quant)
	s.same("use_post_quant_conv", of.PostQuant)
	s.same("mid_block_add_attention", of.Attention)
	if of.Groups = 32; s.values["norm_num_groups"] != nil {
		of.Groups, _ = s.whole("norm_num_groups")
	}
	if v, ok := s.number("scaling_factor"); ok {
		of.Scale = v
	}
	if v, ok := s.number("shift_factor"); ok {
		of.Shift = v
	}
	if src.Scale != nil {
		of.Scale = *src.Scale
	}
	if src.Shift != nil {
		of.Shift = *src.Shift
	}
}

// earlier are the names that the parts of attention had in earlier versions.
var earlier = map[string]string{"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

// fill adds the entries of the tensors.
func (a *autoencoderPlan) fill(f *found) error {
	encoder, decoder, err := a.of.Tensors()
	if err != nil {
		return err
	}
	for _, t := range slices.Concat(encoder, decoder) {
		e := same(t)
		for ours, was := range earlier {
			if name := strings.Replace(t.Name, "attentions.0."+ours+".", "attentions.0."+was+".", 1); f.has(name) {
				e.theirs[0] = name
			}
		}
		if s := f.shape(e.theirs[0]); len(s) == 4 && len(t.Shape) == 2 && s[2]*s[3] == 1 {
			e.shape = s // a convolution of single pixels
		}
		a.entries = append(a.entries, e)
	}
	h := a.of.Latents()
	a.tell("decoder", "%s, latents of %d by %d in %d channels to images of %d by %d in %d", autoencoderClass, h[0],
		h[1], h[2], a.of.Image[0], a.of.Image[1], a.of.Image[2])
	a.tell("latents", "(z - %g) %g of what its encoder outputs", a.of.Shift, a.of.Scale)
	return nil
}

// readONNX reads an ONNX file with a decoder.
func readONNX(eng *nn.Engine, src DecoderSource, latents []int) (*Decoder, error) {
	scale, shift := src.Scale, src.Shift
	if config := filepath.Join(filepath.Dir(src.File), "config.json"); exists(config) {
		var c struct {
			Scale *float64 `json:"scaling_factor"`
			Shift *float64 `json:"shift_factor"`
		}
		if err := weights.ReadJSON(config, &c); err != nil {
			return nil, err
		}
		if scale == nil {
			scale = c.Scale
		}
		if shift == nil {
			shift = c.Shift
		}
	}
	m, err := onnx.ReadFile(src.File)
	if err != nil {
		return nil, err
	}
	if scale == nil {
		return nil, asked{fmt.Errorf("%w, such as %g for those of Stable Diffusion, or 1", ErrNoScale, defaultScale)}
	}
	if shift == nil {
		shift = new(0.0)
	}
	d, err := nn.NewONNXDecoder(eng, m, latents, *scale, *shift)
	if err != nil {
		return nil, err
	}
	im := d.Image()
	return &Decoder{
		Facts: []Fact{
			{"decoder", fmt.Sprintf("%s, latents of %d by %d in %d channels to images of %d by %d in %d",
				choice.Quote(filepath.Base(src.File)), latents[0], latents[1], latents[2], im[0], im[1], im[2])},
			{"latents", fmt.Sprintf("(z - %g) %g of what its encoder outputs", *shift, *scale)},
		},
		Save: func(dir string) error {
			return model.SaveONNXDecoder(filepath.Join(dir, model.DecoderFile), m, latents, *scale, *shift)
		},
	}, nil
}
