package image

import (
	"cmp"
	"fmt"
	"image"
	"os"
	"slices"
	"strings"

	"flowmatch/data/internal/files"
	"flowmatch/flow"
	"flowmatch/internal/choice"
)

// ReadFiles reads up to n images of a file or a folder as points in [-1, 1], the
// middles of their levels, and says which of the shapes, [height, width, channels],
// they have. IDX and NPY of bytes must have one of them. PNG and JPEG, in a file or a
// folder (in the order of their names), have that of which the first picture has the
// size, else the first; the others are brought to it as by [ReadFolder], so it must be
// square. The error of an image that cannot be read is a [data.FileError].
func ReadFiles(path string, n int, shapes ...[]int) (x flow.Batch, which int, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return x, 0, fmt.Errorf("data: %w", err)
	}
	var pix []byte
	kind := byName(path)
	if kind == unknown && !info.IsDir() {
		b, err := headOf(path)
		if err != nil {
			return x, 0, err
		}
		kind = byHead(b)
	}
	switch {
	case info.IsDir():
		pix, which, err = readFolder(path, n, shapes)
	case kind == notRead:
		err = files.Malformed(path, "%v", errFormat(path))
	case kind == readable:
		pix, which, err = fitPictures([]string{path}, shapes)
	default:
		pix, which, err = readArray(path, shapes)
	}
	if err != nil {
		return x, which, err
	}
	x.D = shapes[which][0] * shapes[which][1] * shapes[which][2]
	if x.N = min(n, len(pix)/x.D); x.N == 0 && n > 0 {
		return x, which, files.Malformed(path, "no images")
	}
	x.X = make([]float64, x.N*x.D)
	for i := range x.X {
		x.X[i] = middle(pix[i])
	}
	return x, which, nil
}

// readArray reads images of one of the shapes from IDX or NPY.
func readArray(path string, shapes [][]int) ([]byte, int, error) {
	if files.Extension(path) != ".npy" && !strings.Contains(path, "idx") {
		return nil, 0, files.Malformed(path,
			"no image; want .png, .jpg, .jpeg, .npy of bytes, IDX (with idx in its name), or a folder of images")
	}
	shape, pix, err := readPixels(path)
	if err != nil {
		return nil, 0, err
	}
	if len(shape) == 3 {
		shape = append(slices.Clone(shape), 1)
	}
	for k, want := range shapes {
		if len(shape) > 1 && slices.Equal(shape[1:], want) {
			return pix, k, nil
		}
	}
	if len(shape) == 4 { // the shapes say which layout it is
		if last, pix := channelsLast(shape, pix); !slices.Contains(shape, 0) {
			for k, want := range shapes {
				if slices.Equal(last[1:], want) {
					return pix, k, nil
				}
			}
		}
	}
	return nil, 0, files.Malformed(path, "bytes of shape %s; want images of %v", choice.Cut(fmt.Sprint(shape)), shapes)
}

func readFolder(path string, n int, shapes [][]int) ([]byte, int, error) {
	x, err := indexFolder(path)
	if err != nil {
		return nil, 0, err
	}
	var names []string
	for _, e := range x.entries[:min(n, len(x.entries))] {
		names = append(names, e.file)
	}
	return fitPictures(names, shapes)
}

// fitPictures decodes pictures and brings them to the shape that the first of them has
// the size of, else to the first shape.
func fitPictures(names []string, shapes [][]int) (pix []byte, which int, err error) {
	for i, file := range names {
		raw, err := readEncoded(file)
		if err != nil {
			return nil, 0, err
		}
		var problem error
		err = usePicture(raw, func(img image.Image) {
			if i == 0 {
				size := img.Bounds().Size()
				which = max(0, slices.IndexFunc(shapes, func(s []int) bool { return size == image.Pt(s[1], s[0]) }))
			}
			s := shapes[which]
			if s[0] != s[1] || s[2] != 1 && s[2] != 3 {
				problem = fmt.Errorf("a picture for images of %v; pictures are for square ones, grey or of colour: "+
					"give IDX or NPY", s)
				return
			}
			pix = append(pix, fitImage(img, s[0], s[2])...)
		})
		if err = cmp.Or(err, problem); err != nil {
			return nil, 0, files.Malformed(file, "%v", err)
		}
	}
	return pix, which, nil
}
