package exchange

import "fmt"

// Sizes that no network of images has, whose sums and products are still whole numbers: a
// file may claim any. mostExtent is that of an axis, a window or what is added around an
// image, and mostElements is that of a value: 4 GiB of floats.
const mostExtent, mostElements = 1 << 24, 1 << 30

// fits reports a shape of more elements than a value may have, or with an axis below 0.
func fits(dims ...int) error {
	n := 1.0
	for _, d := range dims {
		if d < 0 {
			return fmt.Errorf("a shape of %v", dims)
		}
		n *= float64(max(d, 1))
	}
	if n > mostElements {
		return fmt.Errorf("a value of shape %v would have %.3g elements; at most %d are made", dims, n, mostElements)
	}
	return nil
}

// within reports numbers of an attribute that are no extents.
func within(what string, numbers ...int) error {
	for _, v := range numbers {
		if v > mostExtent || v < -mostExtent {
			return fmt.Errorf("%s of %d; at most %d are taken", what, v, mostExtent)
		}
	}
	return nil
}
