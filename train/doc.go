// Package train turns data into a trained flow.
//
// There are only a few types. An [Objective] is what a step does: [CFM] (conditional flow
// matching) and [FM] (the exact marginal objective) are regressions on drawn examples,
// [ML] (maximum likelihood) goes through the solver; [Reflow] (also distillation, from the
// [Pairs] of a teacher), [MeanFlow] and [Shortcut] make flows that take few steps to
// sample. All of them take schedule, prediction, source and context from the model that
// they train. A [Loop] says how long and how fast to train, and runs the steps of any
// [Task], [Hooks] being what it reports to and saves with. [Fit] joins the two for a
// program: a model and an objective go in, a trained model comes out. A [Session] is the
// same with a state that may be restored.
//
// [Config] is the section of a run file, and [KindOf] the table that answers what an
// objective needs and what its flow can be used for. [Times] is the distribution that t
// is drawn from, and [Weighting] weighs the errors.
//
// # An objective of your own
//
// One that is a [Regression] has two methods: Check reports what it cannot train, and
// Examples makes the examples of a step, which happens ahead of the step on other cores.
// One that is none is a [Stepper]. To be named in run files it needs, in this package, one
// file, with its row of the table, and a place in the list of the rows.
//
// # Caveats
//
// The examples of step k of a regression are a pure function of the seed and k. They are
// made in any order, and yet a training resumed at step k equals, bit for bit, one that
// never stopped.
package train
