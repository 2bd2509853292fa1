package layout

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"flowmatch/model"
)

// diffusersDiT is the form of DiTTransformer2DModel: that of DiT, with other names.
func diffusersDiT() form {
	return form{name: "DiTTransformer2DModel", anchor: suffix("transformer_blocks.0.norm1.linear.weight"),
		means: diffusionMeaning(1000), plan: planDiffusersDiT, export: exportDiffusersDiT}
}

func planDiffusersDiT(f *found, s *settings) (*plan, error) {
	s.ignore(ignoredOfDiffusers...)
	s.ignore("norm_num_groups", "upcast_attention")
	s.onlyThis(map[string]any{"attention_bias": true, "activation_fn": "gelu-approximate", "norm_type": "ada_norm_zero",
		"norm_elementwise_affine": false})
	p, d := &plan{frequency: 1}, ditShape{null: true}
	n := &d.net
	kernel := f.shape("pos_embed.proj.weight")
	if len(kernel) != 4 || kernel[0] < 1 || kernel[2] < 1 {
		return nil, fmt.Errorf("pos_embed.proj.weight has the shape %v; it must be [width, channels, patch, patch]",
			kernel)
	}
	height, width := s.image("sample_size")
	n.Image, n.Width, n.Patch = []int{height, width, kernel[1]}, kernel[0], kernel[2]
	n.Depth, n.MLPNormEps = f.count("transformer_blocks."), 1e-5
	n.MLPRatio = float64(f.rows("transformer_blocks.0.ff.net.0.proj.weight")) / float64(n.Width)
	if eps, ok := s.number("norm_eps"); ok {
		n.MLPNormEps = eps
	}
	heads, told := s.whole("num_attention_heads")
	if n.Heads = heads; !told {
		s.fail("the heads of attention cannot be told from the tensors: set num_attention_heads")
	} else if v, ok := s.whole("attention_head_dim"); ok && v*heads != n.Width {
		s.fail("attention_head_dim %d and num_attention_heads %d are not those of a width of %d", v, heads, n.Width)
	}
	d.out = f.rows("proj_out_2.weight") / (n.Patch * n.Patch)
	d.classes = max(0, f.rows(firstBlock+"class_embedder.embedding_table.weight")-1)
	if d.classes > 0 {
		p.dropout = 0.1 // as in the code of the program
	}
	s.same("num_embeds_ada_norm", d.classes)
	s.same("num_layers", n.Depth)
	s.same("patch_size", n.Patch)
	s.same("in_channels", kernel[1])
	s.same("out_channels", d.out)
	if len(s.errs) > 0 {
		return nil, s.errs[0]
	}
	if d.out != kernel[1] && d.out != 2*kernel[1] {
		return nil, otherOutput(d.out, kernel[1])
	}
	p.tellVariance(d.out, kernel[1])
	return p, fillDiffusersDiT(p, d)
}

// firstBlock is where the embeddings are that DiT has once, and this network in each block.
const firstBlock = "transformer_blocks.0.norm1.emb."

// ditNames are the names of what stands alone, and ditBlockNames those in a block.
var (
	ditNames = map[string]string{
		"x_embedder.proj": "pos_embed.proj", "final_layer.linear": "proj_out_2",
		"final_layer.adaLN_modulation.1": "proj_out_1", "t_embedder.mlp.0": firstBlock + "timestep_embedder.linear_1",
		"t_embedder.mlp.2":           firstBlock + "timestep_embedder.linear_2",
		"y_embedder.embedding_table": firstBlock + "class_embedder.embedding_table",
	}
	ditBlockNames = map[string]string{
		"attn.proj": "attn1.to_out.0", "mlp.fc1": "ff.net.0.proj", "mlp.fc2": "ff.net.2",
		"adaLN_modulation.1": "norm1.linear",
	}
)

// fillDiffusersDiT is fillDiT with the names of diffusers.
func fillDiffusersDiT(p *plan, d ditShape) error {
	if err := fillDiT(p, d); err != nil {
		return err
	}
	for i := range p.entries {
		e := &p.entries[i]
		at := strings.LastIndex(e.ours.Name, ".")
		of, kind := e.ours.Name[:at], e.ours.Name[at:]
		if name, ok := ditNames[of]; ok {
			e.theirs = []string{name + kind}
			if rest, shared := strings.CutPrefix(e.theirs[0], firstBlock); shared {
				for k := 1; k < d.net.Depth; k++ {
					e.copies = append(e.copies, fmt.Sprintf("transformer_blocks.%d.norm1.emb.%s", k, rest))
				}
			}
			continue
		}
		var k int
		if _, err := fmt.Sscanf(of, "blocks.%d.", &k); err != nil {
			return fmt.Errorf("the layout has nothing for tensor %q", e.ours.Name) // a fault of its table
		}
		block, part := fmt.Sprintf("transformer_blocks.%d.", k), strings.SplitN(of, ".", 3)[2]
		if e.theirs = []string{block + ditBlockNames[part] + kind}; part == "attn.qkv" {
			e.theirs = nil
			for _, name := range []string{"q", "k", "v"} {
				e.theirs = append(e.theirs, block+"attn1.to_"+name+kind)
			}
		}
	}
	p.constants[0].name = "pos_embed.pos_embed"
	return nil
}

func exportDiffusersDiT(m *model.Model) (*plan, error) {
	cfg := m.Net().Config()
	if cfg.DiT == nil {
		return nil, fmt.Errorf("the model is no DiT")
	}
	n := *cfg.DiT
	switch {
	case cfg.Context > 0 || cfg.Classes == 0:
		return nil, fmt.Errorf("the model has %d classes and a context of %d numbers; DiTTransformer2DModel has "+
			"classes, and no context", cfg.Classes, cfg.Context)
	case n.Time == nil || n.Time.FrequencyShift != 1:
		return nil, fmt.Errorf("DiTTransformer2DModel has dit.time.frequency_shift 1, and the model another one; " +
			"export it as dit or sit")
	case n.Image[0] != n.Image[1]:
		return nil, fmt.Errorf("images of %d by %d; this program has square ones", n.Image[0], n.Image[1])
	}
	p := &plan{frequency: 1}
	eps := n.MLPNormEps
	if eps == 0 {
		eps = 1e-6
	}
	p.given = map[string]any{"_class_name": "DiTTransformer2DModel", "sample_size": n.Image[0],
		"in_channels": n.Image[2], "out_channels": n.Image[2], "patch_size": n.Patch, "num_layers": n.Depth,
		"num_attention_heads": n.Heads, "attention_head_dim": n.Width / n.Heads, "num_embeds_ada_norm": cfg.Classes,
		"norm_eps": eps, "norm_elementwise_affine": false, "norm_type": "ada_norm_zero",
		"activation_fn": "gelu-approximate", "attention_bias": true}
	if math.Abs(n.MLPRatio-4) > 1e-9 {
		return nil, fmt.Errorf("dit.mlp_ratio is %g; DiTTransformer2DModel has 4", n.MLPRatio)
	}
	if err := fillDiffusersDiT(p, ditShape{n, cfg.Classes, n.Image[2], true}); err != nil {
		return nil, err
	}
	p.constants = slices.Delete(p.constants, 0, 1) // which it computes itself
	return p, nil
}
