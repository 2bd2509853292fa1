package bench

import (
	"fmt"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/nn"
)

// The images of the comparison: those of MNIST, in batches of 64, and the UNet of
// examples/digits.yaml.
const (
	imageSide  = 28
	imageDim   = imageSide * imageSide
	imageBatch = 64
	digits     = 10 // classes
)

// imageNet is the UNet of the comparison.
var imageNet = nn.UNet{
	Image: []int{imageSide, imageSide, 1}, Channels: 32, Mult: []int{1, 2, 2}, Blocks: 1,
	Attention: []int{7}, HeadChannels: 32,
}

// imageFLOPS is the number of operations in the convolutions and matrix products
// of one evaluation of imageNet for one image, as PyTorch counts them.
const imageFLOPS = 380_234_752

func imageCases() []Case {
	name := fmt.Sprintf("unet%d %dx%d B%d", imageNet.Channels, imageSide, imageSide, imageBatch)
	flops := float64(imageBatch * imageFLOPS)
	return []Case{
		{Name: "velocity " + name, Group: "images", Unit: "call", Most: 100, flops: flops, prepare: imageVelocity},
		{Name: "vjp " + name, Group: "images", Unit: "call", Most: 100, flops: 2 * flops, prepare: imageVJP},
		{Name: "train " + name, Group: "images", Unit: "call", Most: 100, flops: 3 * flops,
			prepare: imageSteps(nn.StepOptions{})},
	}
}

func unet(eng *nn.Engine) (*nn.Net, error) {
	u := imageNet
	return nn.New(eng, nn.Config{Dim: imageDim, Classes: digits, UNet: &u}, benchSeed)
}

// imageSteps trains imageNet with options; a unit is one step, with the drawing of its batch.
func imageSteps(o nn.StepOptions) func(*nn.Engine) (work, error) {
	return func(eng *nn.Engine) (work, error) {
		net, err := unet(eng)
		if err != nil {
			return nil, err
		}
		return steps(net, noise{imageDim, digits}, imageBatch, o)
	}
}

// imageVelocity evaluates the field; a unit is one evaluation for all images.
func imageVelocity(eng *nn.Engine) (work, error) {
	net, err := unet(eng)
	if err != nil {
		return nil, err
	}
	return velocities(net, flow.Given{Label: []int32{3}}, imageDim, imageBatch)
}

// velocities evaluates the field of a network; a unit is one evaluation for the whole batch.
func velocities(net *nn.Net, given flow.Given, dim, batch int) (work, error) {
	f, err := net.Bind(given)
	if err != nil {
		return nil, err
	}
	x := normals(batch, dim, 0, 0).X
	v := make([]float64, len(x))
	return calls(func() error { return f.Velocity(v, 0.5, x) }), nil
}

// imageVJP evaluates what a step of a likelihood by Hutchinson's estimate takes: the
// field and a vector-Jacobian product.
func imageVJP(eng *nn.Engine) (work, error) {
	net, err := unet(eng)
	if err != nil {
		return nil, err
	}
	f, err := net.Bind(flow.Given{Label: []int32{3}})
	if err != nil {
		return nil, err
	}
	x, e := normals(imageBatch, imageDim, 0, 0).X, normals(imageBatch, imageDim, 0, 2).X
	v, g := make([]float64, len(x)), make([]float64, len(x))
	return calls(func() error { return f.VJP(v, g, 0.5, x, e) }), nil
}

// noise are points with labels: what they show costs nothing.
type noise struct{ dim, classes int }

func (n noise) Dim() int { return n.dim }

func (n noise) Fill(x1 flow.Batch, given flow.Given, step uint64) error {
	rng := seed.Rand(benchSeed, "bench/noise", step)
	for i := range x1.X {
		x1.X[i] = 2*rng.Float64() - 1
	}
	for i := range given.Label {
		given.Label[i] = int32(rng.IntN(n.classes))
	}
	return nil
}
