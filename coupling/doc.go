// Package coupling decides which x_0 is paired with which x_1: the joint law q(x_0, x_1)
// that conditional flow matching draws its pairs from (Tong et al. 2302.00482;
// Pooladian et al. 2304.14772). Every coupling here keeps the marginals, so the
// flow still carries p_0 to p_1; they differ in how much the paths cross.
//
// There are only a few types: [Coupling] is the one verb, Match; [Independent] is
// q = p_0 p_1, the coupling of the Flow Matching paper; [OT] is exact optimal
// transport within the batch; [Sinkhorn] is entropic transport within the batch,
// between the two; [Groups] couples parts of a batch; [Config] is a coupling as a
// configuration file names it.
//
// # Labels
//
// A conditional model learns v_t(x|y) and starts, for every condition y, from the
// same p_0. So the pairs must have p(x_0|y) = p_0. Transport over the whole batch
// breaks this: a class on the left receives the noise on the left, p(x_0|y)
// depends on y, and a sample that starts from p_0 starts where the class y was
// never trained. With LabelAware the rows of x_0 are first dealt to the classes at
// random, each class as many as it has rows of x_1, and transport then happens
// within each class. The deal looks at no coordinate, so p(x_0|y) = p_0 holds.
//
// # Contexts
//
// Numbers that a model is given raise the same question, and no two points have the same:
// [Contextual] lets them count in the distance. Use [Match], which hands them on.
//
// # Caveats
//
//   - Couplings choose rows of x_0 and leave x_1 in place: labels stay aligned.
//   - [OT] and [Sinkhorn] see one batch; only with growing batches do they approach
//     transport between p_0 and p_1. With LabelAware it is the class's share of the
//     batch that counts.
//   - All are plain values, safe for concurrent use of Match; the answer depends
//     only on the arguments and the state of rng, not on GOMAXPROCS.
package coupling
