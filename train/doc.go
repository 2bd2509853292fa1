// Package train turns data into a trained network.
//
// There are only a few types: [Objective] is what a step does; [CFM] (conditional
// flow matching) and [FM] (the exact marginal objective) are regressions, [ML]
// (maximum likelihood) goes through the solver; [Reflow] (also distillation, from
// the [Pairs] of a teacher), [MeanFlow] and [Shortcut] make flows that take few
// steps to sample; [Times] is the distribution that t is drawn from; [Config] says
// how long and how fast to train; [Run] is the loop, and [Hooks] what it tells and
// saves.
//
// # Caveats
//
// The examples of step k of a regression are a pure function of the seed and k.
// They are made ahead of the step, on other cores, and yet a run resumed at step k equals,
// bit for bit, one that never stopped.
package train
