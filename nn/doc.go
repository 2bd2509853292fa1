// Package nn holds neural networks, their training step and their derivatives,
// compiled for an engine chosen by name.
//
// There are only a few types: [Engine] compiles and runs graphs (the backend);
// [Module] is the weights of a network, which every network embeds and a [Trainer]
// trains. [Net] is a velocity network, described by a [Config]: a perceptron, a [UNet] or
// a [DiT]; bound to labels and contexts it is a [Velocity], a [flow.Field] with its
// derivatives. [Examples] is a batch of regression examples, and [NetTrainer] the
// Trainer that learns from them by one compiled step. [Classifier] classifies images,
// a [Discriminator] tells points of two kinds apart, and [Extractor] is a network of images
// from an ONNX file; [Net.ONNX] writes such files.
//
// Above the engines it is the only package that knows GoMLX, whose graphs it builds. Graph
// code panics; every exported function of this package turns that into an error.
//
// # Caveats
//
// The engine works in float32; everything that enters or leaves this package is
// float64, and is converted once, here. All weights live in one slab, in the
// layout of PyTorch's Linear ([out, in], then the bias), so optimizer, EMA,
// clipping and saving are each one operation on one array.
package nn
