// Package model is what a checkpoint is: a network together with all that
// gives its output a meaning.
//
// There are only a few types. A [Spec] says what the network predicts, along which path,
// of which data. A [Model] is a Spec with a network; it samples and evaluates likelihoods
// in the units of the data. A [Sampler] says how to sample: [ODE], [Density], [Average] or
// [SDE]. [Progress] is called as that goes on. A [Checkpoint] is a Model with the state of
// its training, and is one safetensors file.
//
// # Caveats
//
// The file holds the averaged weights (EMA) under PyTorch's names
// ("net.0.weight", ...), so that a torch.nn.Sequential called net loads them;
// the raw weights and the optimizer's moments are beside them under "raw." and
// "opt.". The Spec is JSON in the file's metadata. [Model.Save] writes the averaged
// weights alone, which [Open] reads like those of a checkpoint; [Load] reads a checkpoint
// to go on with its training.
package model
