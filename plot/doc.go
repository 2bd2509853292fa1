// Package plot draws what a flow does, as PNG, SVG or PDF pictures and animated GIFs on an
// io.Writer.
//
// There are only a few types: [Panel] is one set of points with a title;
// [Grid] is a lattice of points on which a density was evaluated and [Map] the
// log-density there; [Series] is one curve, [Flow] points that move, [Fit] a trajectory with
// what was fitted to it, [Dot] a figure of a dot plot, [Pairs] what a coupling pairs;
// [Options] is what all pictures share, and its zero value is a good
// picture. Each picture is one function: [Samples], [Gallery], [Density], [Field],
// [Trajectories], [OverTime], [Couplings], [Loss], [Lines], [DotPlot], [BarChart], [Matrix], [Fits], [FlowGIF] and
// [ImageGrid].
//
// Colours and marks follow the names of things, in every picture alike; see style.go.
//
// # Caveats
//
// The same input gives the same bytes on one machine; across processor
// architectures a rounded last bit may move a shade. Pictures are of the
// plane: points of D=1 get a histogram, points of 3 <= D <= 8 a picture of all
// pairs in Samples, and elsewhere Options.Columns says which two columns to
// show. Nothing is drawn, and an error returned, for points that are not
// finite: a NaN is a finding, not a dot. Limits chosen from the data may leave
// far outliers outside; Samples then writes their number into the picture.
package plot
