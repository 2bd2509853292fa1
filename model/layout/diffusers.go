package layout

import (
	"fmt"
	"strings"

	"flowmatch/model"
	"flowmatch/nn"
)

// ignoredOfDiffusers are settings in a config.json that say nothing of a trained network.
var ignoredOfDiffusers = []string{"dropout", "num_train_timesteps", "decay", "inv_gamma", "min_decay",
	"optimization_step", "power", "update_after_step", "use_ema_warmup"}

// diffusersUNet is the form of UNet2DModel: that of ADM, with other names.
func diffusersUNet() form {
	return form{name: "UNet2DModel", anchor: suffix("conv_in.weight"), means: diffusionMeaning(1000),
		plan: planDiffusersUNet, export: exportDiffusersUNet}
}

// onlyThis reports settings of what the networks here have not, unless they are as given.
func (s *settings) onlyThis(want map[string]any) {
	for key, is := range want {
		if v, ok := s.get(key); ok && v != is {
			s.fail("%s is %s; the network here has only %s", key, show(v), show(is))
		}
	}
}

// unetNames is how UNet2DModel is laid out, beside its network.
type unetNames struct {
	net       nn.UNet
	classes   int
	out       int
	sineFirst bool // the sines of the time stand before the cosines
	old       bool // attention has the names of early versions
}

func planDiffusersUNet(f *found, s *settings) (*plan, error) {
	s.ignore(ignoredOfDiffusers...)
	s.ignore("down_block_types", "up_block_types", "mid_block_type") // which are told from the tensors
	s.onlyThis(map[string]any{"center_input_sample": false, "time_embedding_type": "positional", "act_fn": "silu",
		"mid_block_scale_factor": 1.0, "add_attention": true, "downsample_type": "conv", "upsample_type": "conv"})
	for _, key := range []string{"class_embed_type", "time_embedding_dim", "attn_norm_num_groups"} {
		if v, ok := s.get(key); ok {
			s.fail("%s is %s; the network here has none", key, show(v))
		}
	}
	d := unetNames{old: f.has("mid_block.attentions.0.query.weight"), classes: f.rows("class_embedding.weight"),
		out: f.rows("conv_out.weight"), sineFirst: !s.flag("flip_sin_to_cos", true)}
	if err := d.read(f, s); err != nil {
		return nil, err
	}
	p := &plan{}
	if v, ok := s.number("freq_shift"); ok {
		p.frequency = v
	}
	if len(s.errs) > 0 {
		return nil, s.errs[0]
	}
	if in := d.net.Image[2]; d.out != in && d.out != 2*in {
		return nil, otherOutput(d.out, in)
	}
	p.tellVariance(d.out, d.net.Image[2])
	p.tell("attention", "heads %s", headsText(d.net))
	if d.classes > 0 {
		p.tell("no class", "label -1, which adds nothing; the program has none, so that it was not trained")
	}
	return p, d.fill(p)
}

// read finds out what the tensors and the settings tell.
func (d *unetNames) read(f *found, s *settings) error {
	n := &d.net
	n.Channels, n.GroupChannels, n.Embedding = f.rows("conv_in.weight"), 1, "add"
	n.Blocks, n.Attention = f.count("down_blocks.0.resnets."), []int{}
	height, width := s.image("sample_size")
	n.Image = []int{height, width, f.column("conv_in.weight")}
	var widths []int
	h := height
	for i := range f.count("down_blocks.") {
		block := fmt.Sprintf("down_blocks.%d.", i)
		wide := f.rows(block + "resnets.0.conv1.weight")
		if n.Channels == 0 || wide == 0 || wide%n.Channels != 0 {
			return fmt.Errorf("resolution %d has %d channels; it must be a multiple of the %d of conv_in", i, wide,
				n.Channels)
		}
		n.Mult, widths = append(n.Mult, wide/n.Channels), append(widths, wide)
		if f.under(block + "attentions.") {
			n.Attention = append(n.Attention, h)
		}
		h = (h + 1) / 2
	}
	if len(n.Mult) == 0 || n.Blocks == 0 {
		return fmt.Errorf("it is no UNet2DModel: it has no down_blocks with resnets")
	}
	s.same("block_out_channels", widths)
	s.same("layers_per_block", n.Blocks)
	s.same("in_channels", n.Image[2])
	s.same("out_channels", d.out)
	if d.classes > 0 {
		s.same("num_class_embeds", d.classes)
	} else {
		s.ignore("num_class_embeds")
	}
	if name, ok := s.text("resnet_time_scale_shift"); ok && name == "scale_shift" {
		n.Embedding = "scale_shift"
	} else if ok && name != "default" {
		s.fail("resnet_time_scale_shift is %s; it must be default or scale_shift", show(name))
	}
	d.norms(s, widths)
	return nil
}

// norms reads the settings of norms, heads and resampling.
func (d *unetNames) norms(s *settings, widths []int) {
	n := &d.net
	groups, told := s.whole("norm_num_groups")
	if !told {
		groups = 32
	}
	for _, wide := range widths {
		if wide%groups != 0 {
			s.fail("norm_num_groups %d does not divide a width of %d", groups, wide)
		}
	}
	if groups != groupsOfTorch {
		n.NormGroups = groups
	}
	if eps, ok := s.number("norm_eps"); ok {
		n.NormEps = eps
	}
	switch padding, ok := s.number("downsample_padding"); {
	case ok && padding == 0:
		n.Resample = "conv_end"
	case ok && padding != 1:
		s.fail("downsample_padding is %g; the network here has 0 or 1", padding)
	}
	_, inConfig := s.values["_class_name"]
	_, set := s.values["attention_head_dim"]
	switch width, some := s.whole("attention_head_dim"); {
	case some:
		n.HeadChannels = width
	case set: // null
		n.Heads = 1
	case inConfig:
		n.HeadChannels = 8 // the default of UNet2DModel
	default:
		s.fail("the heads of attention cannot be told from the tensors: set attention_head_dim")
	}
}

// fill adds the network and the entries of its tensors to a plan.
func (d unetNames) fill(p *plan) error {
	im := d.net.Image
	p.net = nn.Config{Dim: im[0] * im[1] * im[2], Classes: d.classes, UNet: &d.net}.Defaults()
	p.shape, p.last = im, []string{"out.2.weight", "out.2.bias"}
	tensors, err := p.net.Tensors()
	if err != nil {
		return err
	}
	names := d.names()
	for _, t := range tensors {
		at := strings.LastIndex(t.Name, ".")
		of, kind := t.Name[:at], t.Name[at:]
		block, part, inBlock := d.block(of, names)
		if !inBlock {
			block, part = names[of], ""
		}
		e := entry{ours: t, theirs: []string{block + part + kind}}
		switch {
		case strings.HasSuffix(of, ".qkv"):
			e.theirs = nil
			for _, name := range d.attention()[:3] {
				e.theirs = append(e.theirs, block+name+kind)
			}
			channels := t.Shape[0] / 3
			e.shape = append([]int{channels}, t.Shape[1:min(2, len(t.Shape))]...)
			e.rows = headRows(channels, heads(d.net, channels))
		case strings.HasSuffix(of, ".proj_out"):
			e.theirs, e.shape = []string{block + d.attention()[3] + kind}, t.Shape[:min(2, len(t.Shape))]
		case t.Name == "time_embed.0.weight" && d.sineFirst:
			half := t.Shape[1] / 2
			e.cols = append(upTo(2 * half)[half:], upTo(half)...)
		case of == "out.2" && d.out != im[2]:
			e.shape, e.rows = append([]int{d.out}, t.Shape[1:]...), upTo(t.Shape[0])
		}
		p.entries = append(p.entries, e)
	}
	return nil
}

// attention names q, k, v and the projection behind them.
func (d unetNames) attention() []string {
	if d.old {
		return []string{".query", ".key", ".value", ".proj_attn"}
	}
	return []string{".to_q", ".to_k", ".to_v", ".to_out.0"}
}

// partNames are those of the parts of a residual block and of attention.
var partNames = map[string]string{
	".in_layers.0": ".norm1", ".in_layers.2": ".conv1", ".emb_layers.1": ".time_emb_proj", ".out_layers.0": ".norm2",
	".out_layers.3": ".conv2", ".skip_connection": ".conv_shortcut", ".norm": ".group_norm", ".qkv": "",
	".proj_out": "",
}

// block splits the name of a part of a block into those of UNet2DModel.
func (d unetNames) block(of string, names map[string]string) (block, part string, ok bool) {
	for ours, theirs := range partNames {
		if prefix, found := strings.CutSuffix(of, ours); found && names[prefix] != "" {
			return names[prefix], theirs, true
		}
	}
	return "", "", false
}

// names maps the names of our blocks and of what stands alone to those of UNet2DModel.
func (d unetNames) names() map[string]string {
	names := map[string]string{
		"time_embed.0": "time_embedding.linear_1", "time_embed.2": "time_embedding.linear_2",
		"label_emb": "class_embedding", "input_blocks.0.0": "conv_in", "out.0": "conv_norm_out", "out.2": "conv_out",
		"middle_block.0": "mid_block.resnets.0", "middle_block.1": "mid_block.attentions.0",
		"middle_block.2": "mid_block.resnets.1",
	}
	levels, each := len(d.net.Mult), d.net.Blocks+1
	for i := range levels {
		for k := range d.net.Blocks {
			in := fmt.Sprintf("input_blocks.%d.", 1+i*each+k)
			names[in+"0"] = fmt.Sprintf("down_blocks.%d.resnets.%d", i, k)
			names[in+"1"] = fmt.Sprintf("down_blocks.%d.attentions.%d", i, k)
		}
		names[fmt.Sprintf("input_blocks.%d.0.op", (i+1)*each)] = fmt.Sprintf("down_blocks.%d.downsamplers.0.conv", i)
		for k := range each {
			out := fmt.Sprintf("output_blocks.%d.", i*each+k)
			names[out+"0"] = fmt.Sprintf("up_blocks.%d.resnets.%d", i, k)
			names[out+"1"] = fmt.Sprintf("up_blocks.%d.attentions.%d", i, k)
			for _, at := range []string{"1", "2"} {
				names[out+at+".conv"] = fmt.Sprintf("up_blocks.%d.upsamplers.0.conv", i)
			}
		}
	}
	return names
}

func exportDiffusersUNet(m *model.Model) (*plan, error) {
	cfg := m.Net().Config()
	if cfg.UNet == nil {
		return nil, fmt.Errorf("the model is no UNet")
	}
	n := *cfg.UNet
	groups := max(n.NormGroups, 1)
	if n.NormGroups == 0 {
		groups = groupsOfTorch
	}
	of := n
	of.NormGroups, of.NormEps = 0, 0 // which are settings there
	if err := torchNorms(of, groups); err != nil {
		return nil, err
	}
	if n.ResblockUpdown || n.Resample == "mean" || cfg.Context > 0 {
		return nil, fmt.Errorf("UNet2DModel resamples by convolutions, and has no context")
	}
	p := &plan{}
	if t := n.Time; t != nil {
		p.frequency = t.FrequencyShift
	}
	p.given = diffusersConfig(n, groups, p.frequency)
	if cfg.Classes > 0 {
		p.given["num_class_embeds"] = cfg.Classes
	}
	return p, unetNames{net: n, classes: cfg.Classes, out: n.Image[2]}.fill(p)
}

// diffusersConfig is the config.json of a UNet2DModel.
func diffusersConfig(n nn.UNet, groups int, frequency float64) map[string]any {
	c := map[string]any{"_class_name": "UNet2DModel", "sample_size": n.Image[:2], "in_channels": n.Image[2],
		"out_channels": n.Image[2], "layers_per_block": n.Blocks, "norm_num_groups": groups, "norm_eps": 1e-5,
		"freq_shift": frequency, "flip_sin_to_cos": true, "downsample_padding": 1, "act_fn": "silu",
		"resnet_time_scale_shift": "default"}
	if n.NormEps != 0 {
		c["norm_eps"] = n.NormEps
	}
	if n.Resample == "conv_end" {
		c["downsample_padding"] = 0
	}
	if n.Embedding != "add" {
		c["resnet_time_scale_shift"] = "scale_shift"
	}
	if n.HeadChannels > 0 {
		c["attention_head_dim"] = n.HeadChannels
	} else {
		c["attention_head_dim"] = nil
	}
	var widths []int
	var down, up []string
	scales := map[int]bool{}
	for _, s := range scalesOf(n) {
		scales[s] = true
	}
	for i, mult := range n.Mult {
		widths = append(widths, n.Channels*mult)
		if scales[1<<i] {
			down, up = append(down, "AttnDownBlock2D"), append([]string{"AttnUpBlock2D"}, up...)
		} else {
			down, up = append(down, "DownBlock2D"), append([]string{"UpBlock2D"}, up...)
		}
	}
	c["block_out_channels"], c["down_block_types"], c["up_block_types"] = widths, down, up
	return c
}
