// Package experiment runs grids of training runs and writes what they show.
//
// There are only a few types: a [Grid] is an experiment file, tasks times methods
// times seeds; a [Cell] is one run of it; a [Result] is what was measured of a cell;
// [Run] makes all results, or goes on where it was stopped; [Page] writes them as
// tables of mean ± standard deviation over the seeds, and pictures. The grids that come
// with the program are those that [Known] names.
//
// With a [Search], a method of a grid first tries a few values of a setting, such as its
// learning rate, and runs with the best of them.
//
// A grid is planned before anything runs: every cell has a complete, valid run file,
// or the grid is refused with the reason. A cell that is done leaves a file, so a
// grid that was stopped goes on at the first cell that is not.
package experiment
