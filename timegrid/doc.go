// Package timegrid says where the steps of a sampler lie between noise and data: evenly, shifted
// towards the noise as the models of large images are, in the spacings of Karras and others, or
// at times of your own. It knows of no solver and no model: it makes lists of numbers.
//
// There is one type, [Config], a grid as a configuration file names it. [Config.Shares] are its
// times, as shares of the time from noise (0) to data (1). [Shifted] is the shift of one level,
// which training can follow.
package timegrid
