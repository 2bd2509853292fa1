// Package model is what a checkpoint is: a network together with all that
// gives its output a meaning.
//
// There are only a few types: [Spec] says what the network predicts, along
// which path, of which data; [Model] is a Spec with a network, and samples and
// evaluates likelihoods in the units of the data; [Progress] is told how far that
// is; [Checkpoint] is a Model with the state of its training, and is one
// safetensors file.
//
// # Caveats
//
// The file holds the averaged weights (EMA) under PyTorch's names
// ("net.0.weight", ...), so that a torch.nn.Sequential called net loads them;
// the raw weights and the optimizer's moments are beside them under "raw." and
// "opt.". The Spec is JSON in the file's metadata.
package model
