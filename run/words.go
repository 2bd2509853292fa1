package run

import "maps"

// docs returns what each key of a run file means.
func docs() map[string]string {
	out := maps.Clone(keyDocs)
	maps.Copy(out, plainDocs)
	return out
}

// plainDocs are the meanings of keys whose field has a comment for users of the Go package:
// of one that several sections share, of one that stands in for others, or with the
// measurements behind it.
var plainDocs = map[string]string{
	"path.name": "How noise becomes data: condot, straight lines at constant speed (default); vp or ve, the " +
		"diffusion paths; cosine, poly or linear_vp; discrete_vp, that of diffusion models in steps; " +
		"icfm or bridge, which add noise around the line.",
	"path.sigma_min": "Of condot: the standard deviation that remains at a data point, in [0, 1); default 0. " +
		"Of ve: the smallest one, above 0; default 0.01.",
	"path.sigma_max": "Of ve: the largest standard deviation, that of the source, above sigma_min; default " +
		"50.",
	"path.beta_min": "Of vp: the smallest rate of noise, above 0; default 0.1. Of discrete_vp: the noise of the " +
		"first step, in (0, 1); default 0.0001.",
	"path.beta_max": "Of vp: the largest rate of noise, at least beta_min; default 20. Of discrete_vp: the " +
		"noise of the last step, below 1; default 0.02.",
	"path.power": "Of poly: the power of its polynomials, at least 1; default 2.",
	"path.sigma": "Of icfm: the standard deviation around the line between two points, at least 0; default " +
		"0.1. Of bridge: that of the Brownian bridge between them, above 0; default 1.",
	"path.params": "The settings, by name, of a schedule that a Go program has registered.",

	"coupling.name": "How the noise points of a batch are paired with its data points: as drawn " +
		"(independent, default), by exact optimal transport (ot) or by entropic transport (sinkhorn).",
	"coupling.reg": "Of sinkhorn: the strength of the entropy, in units of the mean squared distance; " +
		"default 0.05.",
	"coupling.epsilon":  "Of sinkhorn: the strength of the entropy in squared units of the points, instead of reg.",
	"coupling.max_iter": "Of sinkhorn: the largest number of iterations; default 10000.",
	"coupling.tol":      "Of sinkhorn: the largest error of the mass at the end, in (0, 1); default 0.001.",
	"coupling.batch": "Of ot and sinkhorn: the number of points in a group that is paired on its own; 0 " +
		"(default): the whole batch.",
	"coupling.label_aware": "Of ot and sinkhorn: whether points are paired within their class, so that each class " +
		"starts from all of the noise; default true for a conditional run, else false.",

	"net.dim": "The dimension of the points. The data give it: leave it out.",
	"net.classes": "The number of classes. The data give it if conditional is true; otherwise there are " +
		"none: leave it out.",
	"net.condition": "How many numbers the network is given for each point, besides its label. The section " +
		"condition sets it: leave it out.",
	"net.shown": "Whether the network is shown some coordinates of the points. train.shown sets it: leave it out.",
	"net.interval": "Whether the network learns average velocities, and so has two times. The objective " +
		"sets it: leave it out.",
	"net.hidden":     "The width of each hidden layer of the perceptron; default [64, 64, 64].",
	"net.activation": "The activation function of the perceptron; default gelu.",
	"net.unet": "The U-Net of ADM, a network for images, instead of the perceptron; hidden, activation, the " +
		"frequencies and space_scale are then not used.",
	"net.unet.image": "The height, width and channels of the images. The data give them: leave it out.",
	"net.unet.head_channels": "The width of a head, instead of heads: there are as many heads as fit into " +
		"the width. 0 (default): the number in heads.",
	"net.unet.resblock_updown": "Whether residual blocks halve and double the image, as in BigGAN and ADM, " +
		"instead of convolutions; default false.",
	"net.unet.dropout": "The probability that a number is dropped before the last convolution of a " +
		"residual block, only during training; default 0.",
	"net.residual.dropout": "The probability that a number is dropped before the last layer of a block, only " +
		"during training; default 0. It helps where data are few.",
	"net.residual.norm": "none (default), or layer: a block takes the layer norm of its input. It bounds what a " +
		"block adds, so that no velocity is huge after a long training.",
	"net.dit":       "A transformer for images (DiT), instead of the perceptron.",
	"net.dit.image": "The height, width and channels of the images. The data give them: leave it out.",

	"condition.kind": "What the network is given of each image: superres, the image at low resolution, " +
		"enlarged to full size (as in arXiv 2210.02747, section 6.3), or inpaint, the pixels outside a " +
		"mask, and the mask. Default: nothing.",
	"condition.mask": "Of inpaint: the missing part of an image: a middle rectangle with half its sides " +
		"(center), one half (left, right, top, bottom), a rectangle with half its sides anywhere (random), or " +
		"three pixels in four (pixels).",

	"train.objective": "What the network is trained to do.",
	"train.prediction": "What the network outputs: the velocity (default), the data point, the noise, the " +
		"score, or v = α x_0 - σ x_1. The others are converted to the velocity.",
	"train.times": "How the training times are drawn.",
	"train.times.name": "The distribution of t: uniform; logit_normal, the logistic function of a normal " +
		"number; power, a power of a uniform number; or proportional to weighting, as in ScoreFlow " +
		"(proportional). With precondition: true all but proportional are distributions of τ, the share of the " +
		"data in x_t. Default uniform; with precondition: true logit_normal, of mean 1 and std 1.5.",
	"train.times.mean":  "Of logit_normal: the mean of the normal number; default 0 if name is given, else 1.",
	"train.times.std":   "Of logit_normal: its standard deviation; default 1 if name is given, else 1.5.",
	"train.times.power": "Of power: the exponent; default 0.5, which puts more times near the data.",
	"train.times.iid": "Whether times are drawn independently. Default false: [0, 1] is cut into as many equal " +
		"parts as the batch has examples, with one time in each, which makes the loss less noisy.",
	"train.weighting": "How the squared error of an example is weighted: equally (unit, default), as the " +
		"error of the equivalent velocity (velocity), by σ² (sigma2), or as in the likelihood bound of " +
		"ScoreFlow (likelihood), best with times.name proportional. With precondition: true, unit weighs " +
		"the error of the network's own output at uniform τ; the others weigh that of the prediction at uniform t.",
	"train.ml":         "The settings of the objective ml.",
	"train.ml.solver":  "The method that solves the ODE of a step; default dopri5.",
	"train.ml.max_nfe": "The number of evaluations after which a solve fails; default 5000.",
	"train.ml.divergence": "How the divergence is computed: exact, or hutchinson, an estimate by one random " +
		"probe for each point. Default: exact up to 4 dimensions, hutchinson above.",
	"train.distill_steps": "Of distill: the number of Euler steps with which the run will draw samples; " +
		"default 1.",
	"train.intervals.target": "Of meanflow: the velocity that the target of an average is made of. own (default): " +
		"the network's own, under the averaged weights; example: that of the example, which is noisy.",
	"train.intervals.power": "Of meanflow: p weighs every squared error e by 1/(e+offset)^p; default 1, 0: no " +
		"such weight.",
	"train.intervals.offset": "Of meanflow: the offset in that weight; default 10. A small one pulls the velocity " +
		"away from the mean; the paper's is 0.001, for images.",
	"train.intervals.parts": "Of shortcut: the number of equal parts of a step that its target is made of; " +
		"default 4. Each is an evaluation of the network in training. The paper has 2.",
	"train.intervals.finest": "Of shortcut: the number of the shortest steps that are learnt, a power of " +
		"two; default 16. Lengths are 1, 1/2 and so on down to 1/finest of the time from noise to data.",
	"train.intervals.falloff": "Of shortcut: how many examples learn a length beside those of its double; " +
		"default 0.5. 1: as many of each.",
	"train.intervals.weight": "Of shortcut: how much an example of an average weighs beside one of the velocity; " +
		"default 10. The target of an average has no noise.",
	"train.intervals.warmup": "Of shortcut: the number of steps in which that weight grows evenly from 0; " +
		"default 2000. 0: none. The first targets are made by a network that knows nothing yet.",
	"train.steps": "The number of steps of the optimizer; default 10,000. For net.unet and net.dit the default is " +
		"25 passes over the images, at least 2,000 steps and at most 10,000.",
	"train.batch": "The number of examples in a step; default 256, for net.unet and net.dit 64.",
	"train.lr": "The highest learning rate. Default 0.01 for perceptrons; with adamw and layers wider " +
		"than 64, 0.64/width; for UNets 0.004, beyond 32 channels 0.128/channels; " +
		"for transformers 0.004, wider than 64 0.256/width.",
	"train.schedule": "The learning rate after the warm-up: it stays the same (constant), decreases along " +
		"half a cosine (cosine, default), or decreases along a line, as in the paper (poly).",
	"train.warmup": "The number of steps at the start in which the learning rate increases; 0 (default): none.",
	"train.lr_min": "The learning rate at the start of the warm-up and at the end of the decay; default 1e-8.",
	"train.precision": "float32 (default), or bf16: the products of a step in bfloat16, everything else in float32. " +
		"On the native engine it is faster for large networks on CPUs with AVX512-BF16, and slower elsewhere.",
	"train.accumulate": "The number of equal parts in which a batch goes through the network; 0 and 1: one. " +
		"The result is the same except for the order of sums. It saves memory on the engines go and xla, and " +
		"almost none on native.",
	"train.recompute": "Whether the backward pass computes the activations inside the network's blocks again " +
		"instead of keeping them; default false. With net.unet and net.dit it saves memory and takes a little " +
		"more time; with a perceptron it saves nothing.",
	"train.devices": "The number of devices that share a batch equally; 0 and 1: one. Only the engine " +
		"xla has more than one.",
	"train.tensorboard": "Whether metrics and pictures are also written as event files of TensorBoard; default " +
		"false.",
	"train.optimizer": "The optimizer, with clipping of gradients and an average of the weights.",
	"train.optimizer.name": "How a gradient becomes a step: adamw, or muon, which makes the gradients of the " +
		"matrices between the first layer and the last of a perceptron orthogonal, so that all " +
		"directions learn equally fast. Default muon for perceptrons whose widest layer is at most a quarter of the " +
		"batch, else adamw.",
	"train.optimizer.beta1": "The decay of the mean of the gradient, in [0, 1); default 0.9, 0: no momentum.",
	"train.optimizer.beta2": "The decay of the mean of the squared gradient, in [0, 1); default 0.999.",
	"train.optimizer.eps":   "The number that prevents a division by zero, above 0; default 1e-8.",
	"train.optimizer.weight_decay": "The share of each weight, times lr, that a step subtracts from it; default " +
		"0.",
	"train.optimizer.clip_norm": "The largest norm of a gradient, over all weights; 0 (default): no " +
		"clipping.",

	"eval.solver": "How samples are drawn: a method that solves the ODE, or average, steps of the average " +
		"velocity that meanflow and shortcut learn. Default dopri5; for meanflow and shortcut average, for " +
		"distill euler. Densities use dopri5 instead of average.",
	"eval.steps": "The number of equal steps; 0 (default): as many as rtol and atol need; for a method " +
		"without an error estimate 100, for average 1.",
	"eval.divergence": "How the divergence in a log-density is computed: exact, or hutchinson, an estimate " +
		"by random probes. Default: exact up to 64 dimensions, hutchinson above.",
	"eval.dequantizations": "The number of samples of noise that each image gets for its bits per dimension; " +
		"default 1.",
}
