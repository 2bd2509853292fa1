package nn

import (
	"fmt"
	"slices"

	"flowmatch/internal/choice"
)

// UNet describes the network of images of ADM (Dhariwal and Nichol 2021), in the
// terms of the paper's table 3. The zero value of every field but Image is usable.
type UNet struct {
	// Image is the shape of a point: height, width, channels. Its product is
	// Config.Dim; it comes from the data.
	Image []int `yaml:"image,omitempty,flow" json:"image"`
	// Channels is the width at full resolution; default 32.
	Channels int `yaml:"channels" json:"channels"`
	// Mult is the width at each resolution, in Channels. Default [1, 2, 2, 2], or as many of
	// them as leave the smallest resolution at least 4 pixels high and wide.
	Mult []int `yaml:"mult,flow" json:"mult"`
	// Blocks is the depth: residual blocks a resolution; default 1.
	Blocks int `yaml:"blocks" json:"blocks"`
	// Attention lists the heights of the image at which there is attention, besides
	// that in the middle. Default (nil) those of at most 8 pixels; [] none.
	Attention []int `yaml:"attention,flow" json:"attention"`
	// Heads is the number of heads of attention; default 1.
	Heads int `yaml:"heads" json:"heads"`
	// HeadChannels, in place of heads, is the width of a head: there are as many heads as
	// it goes into the width. Default 0: heads counts.
	HeadChannels int `yaml:"head_channels" json:"head_channels"`
	// Embedding is how time and label enter a residual block: they scale and shift what
	// its second norm returns (scale_shift, the default, ADM's adaptive group norm), or
	// are added to what it reads (add, as in DDPM).
	Embedding string `yaml:"embedding" json:"embedding"`
	// GroupChannels is the least number of channels in a group of a norm. There are 32
	// groups, or as many as leave each so many channels. Default 4; ADM has 1, which is
	// another network below 128 channels only.
	GroupChannels int `yaml:"group_channels" json:"group_channels"`
	// ResblockUpdown halves and doubles the image inside of residual blocks (those of
	// BigGAN, in ADM's own models) rather than by convolutions; default false.
	ResblockUpdown bool `yaml:"resblock_updown,omitempty" json:"resblock_updown,omitempty"`
	// Resample is how the image is halved and doubled without resblock_updown: by convolutions
	// (conv, the default), by those whose input is padded behind its rows and columns only when
	// it is halved (conv_end, as in diffusers' DDPM), or by means of four pixels and their
	// repetition, without weights (mean).
	Resample string `yaml:"resample,omitempty" json:"resample,omitempty"`
	// NormGroups is the most groups of a norm; default 32.
	NormGroups int `yaml:"norm_groups,omitempty" json:"norm_groups,omitempty"`
	// NormEps is what is added to the variance in a norm; default 1e-5.
	NormEps float64 `yaml:"norm_eps,omitempty" json:"norm_eps,omitempty"`
	// Time is how the network sees the time; default features of 1000 t.
	Time *TimeFeatures `yaml:"time,omitempty" json:"time,omitempty"`
	// Dropout is the probability with which a number is left out before the last
	// convolution of a residual block, in [NetTrainer.Step] only: losses, velocities and
	// their derivatives are those of the whole network. Default 0.
	Dropout float64 `yaml:"dropout,omitempty" json:"dropout,omitempty"`
}

// Defaults returns u with every unset field filled in, those that the size of the image
// determines where Image is set.
func (u UNet) Defaults() UNet {
	if u.Channels == 0 {
		u.Channels = 32
	}
	if u.Blocks == 0 {
		u.Blocks = 1
	}
	if len(u.Image) == 3 {
		u = u.sized()
	}
	if u.Heads == 0 {
		u.Heads = 1
	}
	if u.GroupChannels == 0 {
		u.GroupChannels = defaultGroupChannels
	}
	if u.Embedding == "" {
		u.Embedding = scaleShift
	}
	return u
}

// sized returns u with the defaults for the size of its image: a network that halves the
// image as long as that leaves something to look at, and attends where it is small.
func (u UNet) sized() UNet {
	if len(u.Mult) == 0 {
		const levels, least = 4, 4
		h, w := u.Image[0], u.Image[1]
		u.Mult = []int{1}
		for len(u.Mult) < levels && min(h, w)/2 >= least && (h%2+w%2 == 0 || !u.evenOnly()) {
			u.Mult, h, w = append(u.Mult, 2), (h+1)/2, (w+1)/2
		}
	}
	if u.Attention == nil {
		const most = 8
		u.Attention = slices.DeleteFunc(u.heights(), func(h int) bool { return h > most })
	}
	return u
}

// defaultGroupChannels is that of UNet.GroupChannels. A group of one channel takes the
// brightness of an image away from the network, and the solve of a noise or a score then
// ends in white and black images.
const defaultGroupChannels = 4

// What UNet.Resample may be, beside nothing.
const (
	resampleConv = "conv"
	resampleEnd  = "conv_end"
	resampleMean = "mean"
)

// What UNet.Embedding may be.
const (
	scaleShift   = "scale_shift"
	addEmbedding = "add"
)

func (u UNet) validate() error {
	u = u.Defaults()
	if err := choice.Check("embedding", u.Embedding, []string{scaleShift, addEmbedding}); err != nil {
		return fmt.Errorf("nn: unet.embedding: %w", err)
	}
	if err := u.validateNorms(); err != nil {
		return err
	}
	if u.Resample != "" {
		if err := choice.Check("resample", u.Resample, []string{resampleConv, resampleEnd, resampleMean}); err != nil {
			return fmt.Errorf("nn: unet.resample: %w", err)
		}
		if u.ResblockUpdown {
			return fmt.Errorf("nn: unet.resample is %s, but resblock_updown changes sizes in residual blocks; "+
				"leave one out", u.Resample)
		}
	}
	if !(u.Dropout >= 0 && u.Dropout < 1) {
		return fmt.Errorf("nn: unet.dropout is %g; it must be in [0, 1)", u.Dropout)
	}
	if u.GroupChannels < 1 {
		return fmt.Errorf("nn: unet.group_channels is %d; it must be at least 1", u.GroupChannels)
	}
	if len(u.Image) == 0 {
		return nil // which comes from the data
	}
	if u.Channels < 2 || u.Channels%2 != 0 {
		return fmt.Errorf("nn: unet.channels is %d; it must be an even number, at least 2", u.Channels)
	}
	if slices.Min(u.Mult) < 1 || u.Blocks < 1 || u.Heads < 1 || u.HeadChannels < 0 {
		return fmt.Errorf("nn: unet.mult %v, unet.blocks %d and unet.heads %d must be at least 1, "+
			"and unet.head_channels %d not negative", u.Mult, u.Blocks, u.Heads, u.HeadChannels)
	}
	if steps := len(u.Mult) - 1; min(u.Image[0], u.Image[1])>>steps < 1 {
		return fmt.Errorf("nn: unet.mult %v halves images of %d by %d to nothing; leave some out",
			u.Mult, u.Image[0], u.Image[1])
	}
	if factor := 1 << (len(u.Mult) - 1); u.evenOnly() && (u.Image[0]%factor != 0 || u.Image[1]%factor != 0) {
		key := "resblock_updown"
		if u.Resample != "" {
			key = "resample " + u.Resample
		}
		return fmt.Errorf("nn: unet.%s halves even sizes only, and unet.mult %v halves images of %d by %d %d times",
			key, u.Mult, u.Image[0], u.Image[1], len(u.Mult)-1)
	}
	for _, size := range u.Attention {
		if !slices.Contains(u.heights(), size) {
			return fmt.Errorf("nn: unet.attention %d is no height of the image on its way down; it must be one of %v",
				size, u.heights())
		}
	}
	for _, m := range u.Mult {
		if c := u.Channels * m; u.HeadChannels > 0 && c%u.HeadChannels != 0 || u.HeadChannels == 0 && c%u.Heads != 0 {
			return fmt.Errorf("nn: unet.heads %d and unet.head_channels %d do not divide a width of %d",
				u.Heads, u.HeadChannels, c)
		}
	}
	return nil
}

// evenOnly says whether only images of even sizes can be halved.
func (u UNet) evenOnly() bool {
	return u.ResblockUpdown || u.Resample == resampleEnd || u.Resample == resampleMean
}

// validateNorms reports settings of norms and of the time that no network has.
func (u UNet) validateNorms() error {
	if u.NormGroups < 0 {
		return fmt.Errorf("nn: unet.norm_groups is %d; it must be at least 1, or left out", u.NormGroups)
	}
	if !(u.NormEps >= 0 && u.NormEps < 1) {
		return fmt.Errorf("nn: unet.norm_eps is %g; it must be in [0, 1)", u.NormEps)
	}
	return u.Time.validate("unet", u.Channels)
}

// heights are the heights of the image at the resolutions.
func (u UNet) heights() []int {
	out := make([]int, len(u.Mult))
	h := u.Image[0]
	for i := range out {
		out[i] = h
		h = (h + 1) / 2
	}
	return out
}

// scales are the factors by which the image is smaller where there is attention.
func (u UNet) scales() []int {
	var out []int
	for i, h := range u.heights() {
		if slices.Contains(u.Attention, h) {
			out = append(out, 1<<i)
		}
	}
	return out
}

// heads returns the number of heads at a width.
func (u UNet) heads(channels int) int {
	if u.HeadChannels > 0 {
		return channels / u.HeadChannels
	}
	return u.Heads
}

// hidden is the width of the embedding of time and label.
func (u UNet) hidden() int { return 4 * u.Channels }
