package image

import (
	"fmt"
	"math"
	"math/rand/v2"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/digest"
)

// Levels is the number of values of a pixel.
const Levels = 256

// Collection is a finite set of images of bytes. A pixel v in 0..255 becomes
//
//	y = (v + u) / 128 - 1, in [-1, 1),   u ~ U[0, 1) new each time it is read
//
// (uniform dequantisation), or with u = 1/2 without Dequantize, the centre of the
// same interval; then, with a standardizer, z = (y - Mean) / Std.
//
// The density of v+u is that of y divided by 128 a pixel, so that, in nats and
// before a standardizer, with D pixels ([Collection.LogDet] = D ln 128),
//
//	BPD = (-log p(y) + D ln 128) / (D ln 2) = -log p(y) / (D ln 2) + 7
//
// which bounds the bits per pixel of the bytes themselves from above. u has 32
// bits, which keeps v+u exact: [Pixels] returns v whatever u was.
type Collection struct {
	Shape        []int   // of one image: [28, 28] of grey ones, [32, 32, 3] of colour (channels run fastest)
	Pix          []byte  // nil where the images stay in their files (see [MaxDecoded])
	Label        []int32 // nil or one an image
	Dequantize   bool
	Standardizer *data.Standardizer // nil: none

	// ClassNames are the folders that became classes, or labels that are not the numbers
	// of the classes, by class; nil where they are.
	ClassNames []string
	Skipped    int // how many images were left out because they could not be decoded
	// Notes say what else was passed over, each a sentence.
	Notes []string

	dim, classes int
	store        *store // where Pix is nil
}

// New checks that pix holds whole images of the given shape, one label
// each unless label is nil. It keeps all its arguments.
func New(shape []int, pix []byte, label []int32, dequantize bool, std *data.Standardizer) (*Collection, error) {
	dim := 1
	for _, d := range shape {
		dim *= d
	}
	if len(shape) == 0 || dim < 1 || len(pix)%dim != 0 {
		return nil, fmt.Errorf("data: %d bytes are no whole number of images of shape %v", len(pix), shape)
	}
	if label != nil && len(label) != len(pix)/dim {
		return nil, fmt.Errorf("data: %d labels for %d images; want one each", len(label), len(pix)/dim)
	}
	if std != nil {
		if err := std.Validate(); err != nil {
			return nil, err
		}
		if n := len(std.Mean); n != 1 && n != dim {
			return nil, fmt.Errorf("data: standardizer of %d coordinates for images of %d pixels; want 1 or %d", n, dim,
				dim)
		}
	}
	return &Collection{
		Shape: shape, Pix: pix, Label: label, Dequantize: dequantize, Standardizer: std,
		dim: dim, classes: data.Classes(label),
	}, nil
}

// Len returns the number of images.
func (m *Collection) Len() int {
	if m.store != nil {
		return m.store.len()
	}
	return len(m.Pix) / m.dim
}

// Dim returns D, the number of pixels (times channels) of an image.
func (m *Collection) Dim() int { return m.dim }

// Sides returns the height, the width and the channels of each image, where Shape leaves out a single channel.
func (m *Collection) Sides() []int {
	if len(m.Shape) == 2 {
		return []int{m.Shape[0], m.Shape[1], 1}
	}
	return m.Shape
}

// Classes returns the number of classes: one more than the largest label where the
// set does not say it, 0 without labels.
func (m *Collection) Classes() int { return m.classes }

// Context returns 0: images come without contexts. [data.Set.WithContext] makes some.
func (m *Collection) Context() int { return 0 }

// Read converts the images asked for. rng must not be nil with Dequantize. Where the
// images stay in their files, the error of one that cannot be read any more names it.
func (m *Collection) Read(x flow.Batch, given flow.Given, index []int, rng *rand.Rand) error {
	return m.read(x, given, index, index, 0, rng)
}

// read reads the images index, which are all[from:from+len(index)] of those that rng is drawn for.
func (m *Collection) read(
	x flow.Batch, given flow.Given, index, all []int, from int, rng *rand.Rand,
) error {
	if err := data.CheckRead(m, x, given, index); err != nil {
		return err
	}
	if m.Dequantize {
		m.skip(rng, from)
		defer m.skip(rng, len(all)-from-len(index))
	}
	var fetched [][]byte
	if m.store != nil {
		var err error
		if fetched, err = m.store.get(index); err != nil {
			return err
		}
	}
	for k, i := range index {
		var pix []byte
		if m.store != nil {
			pix = fetched[k]
		} else {
			pix = m.Pix[i*m.dim : (i+1)*m.dim]
		}
		row := x.Row(k)
		if m.Dequantize {
			dequantize(row, pix, rng)
			continue
		}
		for d, v := range pix {
			row[d] = middle(v)
		}
	}
	if m.Standardizer != nil {
		m.Standardizer.Apply(x)
	}
	if given.Label != nil {
		for k, i := range index {
			given.Label[k] = m.Label[i]
		}
	}
	return nil
}

// skip draws what so many images are dequantized with.
func (m *Collection) skip(rng *rand.Rand, images int) {
	for range images * ((m.dim + 1) / 2) {
		rng.Uint64()
	}
}

// InParts returns the images as a set that is a [data.PartReader]. It shares them with m.
func (m *Collection) InParts() data.Finite { return inParts{m} }

type inParts struct{ *Collection }

// ReadPart implements [data.PartReader].
func (m inParts) ReadPart(x flow.Batch, given flow.Given, index []int, from int, rng *rand.Rand) error {
	return m.read(x, given, index[from:from+x.N], index, from, rng)
}

// dequantize writes (v+u)/128 - 1, two pixels for each 64 random bits.
func dequantize(row []float64, pix []byte, rng *rand.Rand) {
	const ulp = 1.0 / (1 << 32)
	var bits uint64
	for d, v := range pix {
		if d%2 == 0 {
			bits = rng.Uint64()
		}
		u := float64(uint32(bits)) * ulp
		bits >>= 32
		row[d] = (float64(v)+u)/(Levels/2) - 1
	}
}

// middle returns the middle of a level, in [-1, 1].
func middle(level byte) float64 { return (float64(level)+0.5)/(Levels/2) - 1 }

// LogDet returns log |det d(v+u)/dz| = D ln 128 + the standardizer's, in nats:
// NLL of v+u = NLL of z + LogDet.
func (m *Collection) LogDet() float64 {
	sum := float64(m.dim) * math.Log(Levels/2)
	if m.Standardizer != nil {
		sum += m.Standardizer.LogDet(m.dim)
	}
	return sum
}

// Fit fits one mean and deviation to the pixels of the images index, by
// counting levels: exact, and no float64 copy of the images is made. The noise
// of dequantisation is counted in: mean 1/2 and variance 1/12 of a level.
func (m *Collection) Fit(index []int) (*data.Standardizer, error) {
	count, err := m.levels(index)
	if err != nil {
		return nil, err
	}
	total, mean := float64(len(index)*m.dim), 0.0
	for v, n := range count {
		mean += n / total * (float64(v) + 0.5)
	}
	variance := 0.0
	if m.Dequantize {
		variance = 1.0 / 12
	}
	for v, n := range count {
		d := float64(v) + 0.5 - mean
		variance += n / total * d * d
	}
	if variance == 0 {
		return data.FitScalar(flow.Batch{N: 1, D: 1, X: []float64{mean}}) // its error says it
	}
	const half = Levels / 2
	s := &data.Standardizer{Mean: []float64{mean/half - 1}, Std: []float64{math.Sqrt(variance) / half}}
	return s, s.Validate()
}

// levels counts how often each level comes in the images index.
func (m *Collection) levels(index []int) (count [Levels]float64, err error) {
	if m.store != nil {
		return m.store.levels(index)
	}
	for _, i := range index {
		for _, v := range m.Pix[i*m.dim : (i+1)*m.dim] {
			count[v]++
		}
	}
	return count, nil
}

// Fingerprint is the SHA-256 of the shape, pixels and labels, whether the images are held or not.
func (m *Collection) Fingerprint() string {
	var d *digest.Digest
	if m.store != nil {
		d = m.store.print.Clone()
	} else {
		d = beginPrint(m.Shape, m.Len(), m.Label != nil)
		_, _ = d.Write(m.Pix) // it never fails
	}
	digest.Add(d, m.Label)
	return d.String()
}

// beginPrint starts the fingerprint of n images, each with a label or none.
func beginPrint(shape []int, n int, labelled bool) *digest.Digest {
	labels := 0
	if labelled {
		labels = n
	}
	d := digest.New()
	d.Text(fmt.Sprint(shape, n, labels, false)) // the last is a mark of earlier versions
	return d
}

// Stored returns the file, or the folder, that the images are read from when they are asked for; empty: they are held
// in memory.
func (m *Collection) Stored() string {
	if m.store == nil {
		return ""
	}
	return m.store.path
}

// Pixels turns y in [-1, 1] back into bytes, floor(128 (y+1)) held to 0..255:
// the exact inverse of what a [Collection] does, whatever the noise. NaN becomes 0.
// Undo the standardizer first. It panics when the lengths differ.
func Pixels(dst []byte, y []float64) {
	if len(dst) != len(y) {
		panic(fmt.Sprintf("data: %d pixels into %d bytes", len(y), len(dst)))
	}
	for i, v := range y {
		p := math.Floor((v + 1) * (Levels / 2))
		switch {
		case p >= Levels:
			dst[i] = Levels - 1
		case p > 0:
			dst[i] = byte(p)
		default:
			dst[i] = 0
		}
	}
}
