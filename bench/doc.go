// Package bench holds the cases that this program and others are timed on, as
// data: training steps, samples, likelihoods and couplings of fixed sizes.
//
// There are only a few types: [Case] is one of them; [Measure] measures some,
// under [Options], in turns with [Peers], the Python programs that do the same
// with other libraries; [Result] is the least time that one unit of a case's work
// took, beside theirs, and the quartiles of the ratios of times that were measured one right
// after the other ([Pair]); [Report] is all results and the machine, as text, as JSON or as a
// section of a page ([Markdown]). [Tune] looks for sizes of the native engine that are faster.
//
// # Caveats
//
// The networks, batches, solvers and tolerances are those of the usual
// comparisons in PyTorch and JAX: a plain MLP of [x, t], with D = 2. Weights are
// random, so the number of evaluations of an adaptive solver is given beside its
// time. Unlike theirs, a training step here also averages the weights (EMA) and
// includes drawing its data, made ahead on other cores. A time is that of a
// whole machine that does nothing else; nothing here makes sure of that, though
// the load before is reported. Other work hurts most those peers whose threads meet
// often, and so flatters us.
package bench
