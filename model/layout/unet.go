package layout

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"flowmatch/model"
	"flowmatch/nn"
)

// unetDialect is how a program has the UNet of guided-diffusion, from which ours has its names.
type unetDialect struct {
	means    meaning
	heads    [2]string // settings: how many heads, or channels of one
	newOrder bool      // of attention, by default
	nullRow  bool      // its table of labels has a last row of zeros, for none
	ignored  []string  // settings that say nothing of a trained network
}

var adm = unetDialect{
	means: diffusionMeaning(1000), heads: [2]string{"num_heads", "num_head_channels"},
	ignored: []string{"dropout", "use_checkpoint", "use_fp16", "dims"},
}

func guidedDiffusion() unetDialect {
	d := adm
	d.means = adm.means.scaled()
	d.ignored = append(slices.Clone(adm.ignored), "timestep_respacing", "use_kl", "rescale_learned_sigmas")
	return d
}

func torchCFM() unetDialect {
	d := adm
	d.means = meaning{}
	return d
}

func flowMatching() unetDialect {
	d := torchCFM()
	d.newOrder, d.nullRow = true, true
	d.ignored = append(slices.Clone(adm.ignored), "_target_")
	return d
}

// unetForm is the form of a dialect.
func unetForm(dialect func() unetDialect) form {
	d := dialect()
	return form{name: "UNet", anchor: suffix("input_blocks.0.0.weight"), means: d.means,
		plan: d.plan, export: d.export}
}

// unetShape is what the tensors of a UNet tell of it.
type unetShape struct {
	net     nn.UNet
	classes int
	out     int // channels of the output
}

func (d unetDialect) plan(f *found, s *settings) (*plan, error) {
	s.ignore(d.ignored...)
	height, width := s.image("image_size")
	u, err := readUNet(f, height, width)
	if err != nil {
		return nil, err
	}
	if d.nullRow && u.classes > 0 {
		u.classes--
	}
	p := &plan{}
	d.heed(s, &u)
	order := s.flag("use_new_attention_order", d.newOrder)
	if d.nullRow && u.classes > 0 {
		p.dropout = s.share("class_drop_prob", 0.2) // of its program by default
	}
	if len(s.errs) > 0 {
		return nil, s.errs[0]
	}
	p.tellVariance(u.out, u.net.Image[2])
	name := "QKVAttentionLegacy"
	if order {
		name = "QKVAttention"
	}
	p.tell("attention", "heads %s, in the order of %s", headsText(u.net), name)
	return p, d.fill(p, u, order)
}

func headsText(u nn.UNet) string {
	if u.HeadChannels > 0 {
		return fmt.Sprintf("of %d channels", u.HeadChannels)
	}
	return fmt.Sprint(u.Heads)
}

// heed takes the settings that shapes do not tell, and compares the others with the shapes.
func (d unetDialect) heed(s *settings, u *unetShape) {
	heads, told := s.whole(d.heads[0])
	width, wide := s.whole(d.heads[1])
	switch {
	case wide:
		u.net.HeadChannels = width
	case told:
		u.net.Heads = heads
	default:
		s.fail("the heads of attention cannot be told from the tensors: set %s or %s", d.heads[0], d.heads[1])
	}
	if up, ok := s.whole("num_heads_upsample"); ok && up != u.net.Heads && !wide {
		s.fail("num_heads_upsample is %d; the network here has as many heads on the way up as down, %d", up,
			u.net.Heads)
	}
	channels := u.net.Image[2]
	if v, ok := s.whole("num_channels"); ok && v != u.net.Channels {
		s.fail("num_channels is %d, but the tensors are those of %d", v, u.net.Channels)
	}
	s.same("model_channels", u.net.Channels)
	s.same("num_res_blocks", u.net.Blocks)
	s.same("learn_sigma", u.out == 2*channels)
	s.same("in_channels", channels)
	s.same("out_channels", u.out)
	s.same("class_cond", u.classes > 0)
	s.same("use_scale_shift_norm", u.net.Embedding != "add")
	s.same("resblock_updown", u.net.ResblockUpdown)
	s.same("conv_resample", u.net.Resample == "")
	if v, ok := s.get("channel_mult"); ok && v != "" && strings.ReplaceAll(fmt.Sprint(v), " ", "") !=
		strings.ReplaceAll(fmt.Sprint(u.net.Mult), " ", "") && fmt.Sprint(v) != joined(u.net.Mult) &&
		fmt.Sprint(v) != fmt.Sprint(u.net.Mult) {
		s.fail("channel_mult is %s, but the tensors are those of %v", show(v), u.net.Mult)
	}
	if v, ok := s.whole("num_classes"); ok && u.classes > 0 && v != u.classes {
		s.fail("num_classes is %d, but the tensors are those of %d", v, u.classes)
	}
	s.ignore("attention_resolutions") // which have tensors, or have not
	for _, key := range []string{"with_fourier_features", "ignore_time"} {
		if s.flag(key, false) {
			s.fail("%s is true; the network here has no such thing", key)
		}
	}
	// The names of guided-diffusion for what the output means.
	for was, is := range map[string]string{"noise_schedule": "schedule", "diffusion_steps": "steps"} {
		if v, ok := s.get(was); ok {
			s.put(is, was, v)
		}
	}
	if s.flag("predict_xstart", false) {
		s.put("prediction", "predict_xstart", "data")
	}
}

// joined writes numbers as command lines do: 1,2,2.
func joined(numbers []int) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(numbers), "[]"), " ", ",")
}

// readUNet finds out what the shapes of the tensors tell.
func readUNet(f *found, height, width int) (u unetShape, err error) {
	n := &u.net
	n.Channels, n.GroupChannels, n.Embedding = f.column("time_embed.0.weight"), 1, "scale_shift"
	inputs, outputs := f.count("input_blocks."), f.count("output_blocks.")
	if n.Channels == 0 || outputs == 0 {
		return u, fmt.Errorf("it is no UNet: it has no time_embed.0.weight, or no output_blocks")
	}
	n.Blocks = outputs - 1
	for k := range outputs { // the first that ends by doubling the image is the last of its resolution
		up, conv := upKind(f, k)
		if up {
			n.Blocks, n.ResblockUpdown = k, !conv
			break
		}
	}
	for k := 1; k < inputs; k++ { // what has no tensors halves the image by means
		if !f.under(fmt.Sprintf("input_blocks.%d.", k)) {
			n.Blocks, n.Resample = k-1, "mean"
			break
		}
	}
	if n.Blocks < 1 || inputs != outputs || outputs%(n.Blocks+1) != 0 {
		return u, fmt.Errorf("it is no UNet: %d input_blocks and %d output_blocks, with %d residual blocks a "+
			"resolution", inputs, outputs, n.Blocks)
	}
	n.Attention = []int{}
	h := height
	for level := range outputs / (n.Blocks + 1) {
		block := fmt.Sprintf("input_blocks.%d.", level*(n.Blocks+1)+1)
		wide := f.rows(block + "0.in_layers.2.weight")
		if wide == 0 || wide%n.Channels != 0 || wide%groupsOfTorch != 0 {
			return u, fmt.Errorf("resolution %d has %d channels; it must be a multiple of the %d of time_embed, and "+
				"of %d", level, wide, n.Channels, groupsOfTorch)
		}
		n.Mult = append(n.Mult, wide/n.Channels)
		if f.has(block + "1.qkv.weight") {
			n.Attention = append(n.Attention, h)
		}
		h = (h + 1) / 2
	}
	in, last := f.column("input_blocks.0.0.weight"), "middle_block.0."
	if f.rows(last+"emb_layers.1.weight") == f.rows(last+"in_layers.2.weight") {
		n.Embedding = "add"
	}
	u.out, u.classes = f.rows("out.2.weight"), f.rows("label_emb.weight")
	if u.out != in && u.out != 2*in {
		return u, otherOutput(u.out, in)
	}
	n.Image = []int{height, width, in}
	return u, nil
}

// otherOutput is the error of an output that is neither an image nor one with a variance.
func otherOutput(out, in int) error {
	return fmt.Errorf("the output has %d channels and the input %d; it must have as many, or twice as many with a "+
		"learnt variance", out, in)
}

// tellVariance tells of a variance that is left out.
func (p *plan) tellVariance(out, in int) {
	if out != in {
		p.tell("left out", "the learnt variance, %d of the %d channels of the output", out-in, out)
	}
}

// groupsOfTorch is the number of groups of GroupNorm32.
const groupsOfTorch = 32

// upKind says whether output block k doubles the image by tensors, and whether by a convolution.
func upKind(f *found, k int) (up, conv bool) {
	for i := 1; i <= 2; i++ {
		part := fmt.Sprintf("output_blocks.%d.%d.", k, i)
		if f.has(part + "conv.weight") {
			return true, true
		}
		if f.has(part + "in_layers.0.weight") {
			return true, false
		}
	}
	return false, false
}

// fill adds the network and the entries of its tensors to a plan.
func (d unetDialect) fill(p *plan, u unetShape, newOrder bool) error {
	im := u.net.Image
	p.net = nn.Config{Dim: im[0] * im[1] * im[2], Classes: u.classes, UNet: &u.net}.Defaults()
	p.shape, p.last = im, []string{"out.2.weight", "out.2.bias"}
	tensors, err := p.net.Tensors()
	if err != nil {
		return err
	}
	for _, t := range tensors {
		e := same(t)
		switch {
		case strings.Contains(t.Name, ".qkv.") && newOrder:
			e.rows = headRows(t.Shape[0]/3, heads(u.net, t.Shape[0]/3))
		case slices.Contains(p.last, t.Name) && u.out != im[2]:
			e.shape, e.rows = slices.Clone(t.Shape), upTo(t.Shape[0])
			e.shape[0] = u.out
		case t.Name == "label_emb.weight" && d.nullRow:
			e.shape, e.rows, e.zero = []int{t.Shape[0] + 1, t.Shape[1]}, upTo(t.Shape[0]), true
		}
		p.entries = append(p.entries, e)
	}
	switch {
	case u.classes == 0:
	case d.nullRow:
		p.tell("no class", "label -1, %d in its table", u.classes)
	default:
		p.tell("no class", "label -1, which adds nothing; the program has none, so that it was not trained")
	}
	return nil
}

func heads(u nn.UNet, channels int) int {
	if u.HeadChannels > 0 {
		return channels / u.HeadChannels
	}
	return max(1, u.Heads)
}

// upTo are the numbers from 0 to n-1.
func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// headRows are, for the rows of q, k and v head by head, the same rows of all q, then k, then v.
func headRows(channels, heads int) []int {
	rows := make([]int, 0, 3*channels)
	width := channels / max(1, heads)
	for head := range heads {
		for part := range 3 {
			for i := range width {
				rows = append(rows, part*channels+head*width+i)
			}
		}
	}
	return rows
}

// export is the plan of the way back.
func (d unetDialect) export(m *model.Model) (*plan, error) {
	cfg := m.Net().Config()
	if cfg.UNet == nil {
		return nil, fmt.Errorf("the model is no UNet")
	}
	n := *cfg.UNet
	if err := torchNorms(n, groupsOfTorch); err != nil {
		return nil, err
	}
	if t := n.Time; t != nil && t.FrequencyShift != 0 {
		return nil, fmt.Errorf("unet.time.frequency_shift is %g; this program has 0", t.FrequencyShift)
	}
	if n.Resample == "conv_end" || cfg.Context > 0 {
		return nil, fmt.Errorf("unet.resample %s with a context of %d numbers is nothing that this program has",
			cmp.Or(n.Resample, "conv"), cfg.Context)
	}
	p := &plan{}
	if err := d.fill(p, unetShape{n, cfg.Classes, n.Image[2]}, d.newOrder); err != nil {
		return nil, err
	}
	p.given = map[string]any{"image_size": n.Image[0], "in_channels": n.Image[2], "out_channels": n.Image[2],
		"model_channels": n.Channels, "num_res_blocks": n.Blocks, "channel_mult": n.Mult, "num_heads": max(1, n.Heads),
		"attention_resolutions": scalesOf(n), "use_scale_shift_norm": n.Embedding != "add",
		"resblock_updown": n.ResblockUpdown, "conv_resample": n.Resample == "", "use_new_attention_order": d.newOrder}
	if n.HeadChannels > 0 {
		p.given["num_head_channels"] = n.HeadChannels
	}
	if n.Image[0] != n.Image[1] {
		p.given["image_size"] = n.Image[:2]
	}
	if cfg.Classes > 0 {
		p.given["num_classes"] = cfg.Classes
	}
	return p, nil
}

// scalesOf are the factors by which the image is smaller where there is attention.
func scalesOf(n nn.UNet) []int {
	scales, h := []int{}, n.Image[0]
	for i := range n.Mult {
		if slices.Contains(n.Attention, h) {
			scales = append(scales, 1<<i)
		}
		h = (h + 1) / 2
	}
	return scales
}

// torchNorms reports norms that have not always so many groups.
func torchNorms(n nn.UNet, groups int) error {
	for _, mult := range n.Mult {
		width := n.Channels * mult
		if width%groups != 0 || width/groups < n.GroupChannels {
			return fmt.Errorf("unet.group_channels %d leaves a norm of %d channels with fewer groups than the %d that "+
				"this program has: only a network of group_channels 1 and of widths that are multiples of %d can go "+
				"there",
				n.GroupChannels, width, groups, groups)
		}
	}
	if n.NormGroups != 0 && n.NormGroups != groups || n.NormEps != 0 && n.NormEps != 1e-5 {
		return fmt.Errorf("unet.norm_groups is %d and unet.norm_eps %g; this program has %d and 1e-5", n.NormGroups,
			n.NormEps, groups)
	}
	return nil
}
