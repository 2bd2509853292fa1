// Package schema says what the columns of a table are, and how a row of them is a point that a
// flow learns.
//
// A [Schema] is found in the cells of a file by [Infer]: the [Kind] of each column, its levels
// or its range, its grid, how its values and its missing ones are written. [Schema.Fit] chooses
// a transform for each column by the rows to train on.
//
// # Rows, points and model units
//
// A row has one number for each column that is learnt ([Schema.Parse] makes them of cells): a number
// as it is, the place of a level among the levels, a date in seconds since 1970 (months, where
// it has no days). NaN is missing.
//
// A point has one coordinate for a number, two where values are missing, one for a column of
// two levels, and one a level otherwise. [Schema.Points] makes points of rows: it adds uniform noise
// of a step to numbers on a grid, and Gaussian noise to levels, which are 0 and 1. [Schema.Rows] goes
// the way back, from any point: to the range of the data, their grid and their levels.
//
// [Schema.Apply] and [Schema.Invert] map points to model units and back, each coordinate by itself.
//
// # Densities
//
// Of a row, with p(z) the density of a point in model units,
//
//	log p(z) + LogDet - LogNoise
//
// has a mean over the noise that is at most log p(row), and the mean of its exp is p(row): a
// density in the numbers and a mass in the levels. A number on a grid has the mass density * cell,
// see [Schema.LogCells].
package schema
