// Package neuralode learns dynamics from trajectories: neural ordinary differential
// equations (Chen, Rubanova, Bettencourt, Duvenaud 2018, arXiv 1806.07366). A block
// is a layer whose output is the solution of x' = f_θ(t, x), and the gradient of a
// loss of it goes back through the solver.
//
// There are only a few types: [Block] is a field with a solver and a [Gradient],
// adjoint or backprop; [Pass] is one solve, from which gradients go back;
// [Trajectories] are states at times, given by a [System] or by measurement; [Fit]
// trains a network on them; [Comparison] says what the gradients cost and how right
// they are; [Experiment] is all of it for one system, and returns a [Report].
//
// Time here is that of the data, such as [0, 25], and runs forward. A network wants
// its t in [0, 1]: see Block.TimeUnit and Block.Autonomous.
package neuralode
