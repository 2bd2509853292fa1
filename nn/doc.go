// Package nn holds the learnt part of a flow: a neural network, its training
// step and its derivatives, compiled for an engine chosen by name.
//
// There are only a few types: [Engine] is the machinery that compiles and runs
// graphs (the backend); [Config] describes a network, a perceptron, a [UNet] or a
// [DiT]; [Net] is a network with its weights, read-only and safe for concurrent use;
// [Field] is a Net seen as a [flow.Field] with all its derivatives; [Examples] is a
// batch of regression examples; [Trainer] owns the state of a training run and
// advances it by one compiled step; [Classifier] tells the class of an image, and
// [Extractor] is a network of images from an ONNX file. [Net.ONNX] writes such files.
//
// It is the only room that knows a tensor engine (GoMLX). Graph code there
// panics; every door of this room turns that into an error.
//
// # Caveats
//
// The engine works in float32; everything that enters or leaves this room is
// float64, and is converted once, here. All weights live in one slab, in the
// layout of PyTorch's Linear ([out, in], then the bias), so optimizer, EMA,
// clipping and saving are each one operation on one array.
package nn
