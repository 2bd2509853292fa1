// Package eval reports how good a flow is: likelihoods and bits per dimension of
// held-out points, distances between samples and data, how straight the paths of the
// flow are, how well images are restored, and distances over the features of a network.
//
// It needs a model and points, no run folder: put both into a [Subject] and call its
// methods. [Subject.Report] measures all that applies at once. [Settings] says how, and
// is the `eval:` section of a run file. A [Prompt] is what samples are drawn for.
//
// Everything is a function of the subject: the same model, points, settings and seed
// give the same figures, to the bit.
package eval
