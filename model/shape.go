package model

import "flowmatch/data/image"

// Image returns the height, width and number of channels of a point that is an image;
// nil for points that are none.
func (s Spec) Image() []int {
	switch len(s.Shape) {
	case 2: // grey
		return []int{s.Shape[0], s.Shape[1], 1}
	case 3:
		return append([]int(nil), s.Shape...)
	}
	return nil
}

// Conditioner returns what makes contexts of images; nil for a model without.
func (m *Model) Conditioner() *image.Condition {
	if m == nil {
		return nil
	}
	return m.condition
}
