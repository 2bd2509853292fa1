// Package report writes an evaluation for readers: as lines of words and figures, which the
// command line prints, and as one HTML page with pictures, which opens without a network.
//
// There are only a few types: [Line] is a figure with its name, [Section] the lines of a
// part of an evaluation, and [Page] what a page is of. [Sections] says the figures of an
// [eval.Report] with their doubts, [Page.Write] sets them beside pictures.
//
// Each picture stands or fails for itself: where one cannot be drawn, the page says why.
package report
