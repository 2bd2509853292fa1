package layout

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"flowmatch/model"
	"flowmatch/nn"
)

// ditForm is the form of DiT and SiT, from which ours has its names.
func ditForm(means meaning) form {
	return form{name: "DiT", anchor: suffix("x_embedder.proj.weight"), means: means, plan: planDiT, export: exportDiT}
}

// ditHeads are the heads of the published sizes, by their widths.
var ditHeads = map[int]int{384: 6, 768: 12, 1024: 16, 1152: 16}

// ditShape is what is known of a transformer beside its network.
type ditShape struct {
	net     nn.DiT
	classes int
	out     int  // channels of the output
	null    bool // the table of labels has a row for none
}

func planDiT(f *found, s *settings) (*plan, error) {
	p, d := &plan{}, ditShape{null: true}
	n := &d.net
	kernel := f.shape("x_embedder.proj.weight")
	if len(kernel) != 4 || kernel[2] < 1 || kernel[0] < 1 {
		return nil, fmt.Errorf("x_embedder.proj.weight has the shape %v; it must be [width, channels, patch, patch]",
			kernel)
	}
	n.Width, n.Patch, n.Depth = kernel[0], kernel[2], f.count("blocks.")
	n.MLPRatio = float64(f.rows("blocks.0.mlp.fc1.weight")) / float64(n.Width)
	d.out = f.rows("final_layer.linear.weight") / (n.Patch * n.Patch)
	if d.out != kernel[1] && d.out != 2*kernel[1] {
		return nil, otherOutput(d.out, kernel[1])
	}
	height, width := ditImage(f, s, n.Patch)
	n.Image = []int{height, width, kernel[1]}
	ditSettings(f, s, p, &d)
	if len(s.errs) > 0 {
		return nil, s.errs[0]
	}
	p.tellVariance(d.out, kernel[1])
	return p, fillDiT(p, d)
}

// ditImage is the size of the images: that of pos_embed, or of the settings.
func ditImage(f *found, s *settings, patch int) (height, width int) {
	tokens := f.column("pos_embed")
	side := int(math.Round(math.Sqrt(float64(tokens))))
	if tokens == 0 || side*side != tokens {
		return s.image("input_size")
	}
	s.same("input_size", side*patch)
	return side * patch, side * patch
}

func ditSettings(f *found, s *settings, p *plan, d *ditShape) {
	n := &d.net
	heads, told := s.whole("num_heads")
	if n.Heads = heads; !told {
		if n.Heads = ditHeads[n.Width]; n.Heads == 0 {
			s.fail("the heads of attention cannot be told from the tensors: set num_heads")
		}
		p.tell("attention", "%d heads, as the published networks of width %d have", n.Heads, n.Width)
	}
	rows := f.rows("y_embedder.embedding_table.weight")
	p.dropout = s.share("class_dropout_prob", 0.1) // of DiT and SiT by default
	if d.classes, d.null = max(0, rows-1), p.dropout > 0; !d.null {
		d.classes = rows
	}
	if v, ok := s.whole("num_classes"); ok {
		if d.classes = v; rows != v && rows != v+1 {
			s.fail("num_classes is %d, but the table of labels has %d rows", v, rows)
		}
		if null := rows == v+1; null != d.null {
			if _, told := s.get("class_dropout_prob"); told {
				s.fail("class_dropout_prob is %g, but the table of labels has %d rows for %d classes", p.dropout, rows,
					v)
			}
			d.null = null
		}
	}
	if !d.null || d.classes == 0 {
		p.dropout = 0
	}
	s.same("patch_size", n.Patch)
	s.same("in_channels", n.Image[2])
	s.same("hidden_size", n.Width)
	s.same("depth", n.Depth)
	s.same("mlp_ratio", n.MLPRatio)
	s.same("learn_sigma", d.out == 2*n.Image[2])
	if name, ok := s.text("path_type"); ok { // of SiT
		schedule := map[string]string{"Linear": "condot", "GVP": "cosine", "VP": "vp"}[name]
		if schedule == "" {
			s.fail("path_type is %s; it must be Linear, GVP or VP", show(name))
		}
		s.put("schedule", "path_type", schedule)
	}
}

// fillDiT adds the network and the entries of its tensors to a plan.
func fillDiT(p *plan, d ditShape) error {
	im := d.net.Image
	p.net = nn.Config{Dim: im[0] * im[1] * im[2], Classes: d.classes, DiT: &d.net}.Defaults()
	p.shape, p.last = im, []string{"final_layer.linear.weight", "final_layer.linear.bias"}
	tensors, err := p.net.Tensors()
	if err != nil {
		return err
	}
	for _, t := range tensors {
		e := same(t)
		switch {
		case slices.Contains(p.last, t.Name) && d.out != im[2]:
			e.shape, e.rows = slices.Clone(t.Shape), imageRows(t.Shape[0], im[2], d.out)
			e.shape[0] = t.Shape[0] / im[2] * d.out
		case strings.HasPrefix(t.Name, "y_embedder.") && !d.null:
			e.shape, e.rows = []int{d.classes, t.Shape[1]}, append(upTo(d.classes), -1)
		}
		p.entries = append(p.entries, e)
	}
	tokens := im[0] / d.net.Patch * (im[1] / d.net.Patch)
	p.constants = []constant{{"pos_embed", []int{1, tokens, d.net.Width}, func() []float32 {
		return slices.Concat(d.net.Positions()...)
	}}}
	switch {
	case d.classes > 0 && d.null:
		p.tell("no class", "label -1, %d in its table", d.classes)
	case d.classes > 0:
		p.tell("no class", "label -1, which adds nothing; the table has no row for none, so that it was not trained")
	}
	return nil
}

// imageRows are the rows of the output, pixel by pixel, that are the first channels of so many.
func imageRows(n, channels, of int) []int {
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i/channels*of + i%channels
	}
	return rows
}

// exportDiT is the plan of the way back.
func exportDiT(m *model.Model) (*plan, error) {
	cfg := m.Net().Config()
	if cfg.DiT == nil {
		return nil, fmt.Errorf("the model is no DiT")
	}
	n := *cfg.DiT
	switch {
	case cfg.Context > 0:
		return nil, fmt.Errorf("a context of %d numbers is nothing that this program has", cfg.Context)
	case n.MLPNormEps != 0 && n.MLPNormEps != 1e-6:
		return nil, fmt.Errorf("dit.mlp_norm_eps is %g; this program has 1e-6", n.MLPNormEps)
	case n.Time != nil && n.Time.FrequencyShift != 0:
		return nil, fmt.Errorf("dit.time.frequency_shift is %g; this program has 0", n.Time.FrequencyShift)
	case n.Image[0] != n.Image[1]:
		return nil, fmt.Errorf("images of %d by %d; this program has square ones", n.Image[0], n.Image[1])
	case cfg.Classes == 0:
		return nil, fmt.Errorf("the model has no classes; this program's networks have a table of labels")
	}
	p := &plan{given: map[string]any{"input_size": n.Image[0], "in_channels": n.Image[2], "patch_size": n.Patch,
		"hidden_size": n.Width, "depth": n.Depth, "num_heads": n.Heads, "mlp_ratio": n.MLPRatio,
		"num_classes": cfg.Classes, "learn_sigma": false}}
	return p, fillDiT(p, ditShape{n, cfg.Classes, n.Image[2], true})
}
