package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/flow"
	"flowmatch/internal/digest"
	"flowmatch/internal/diskcache"
	"flowmatch/internal/memory"
)

// Encoder makes latents of images, which are then what is learnt.
type Encoder struct {
	// Image and Latents are shapes: height, width and channels.
	Image, Latents []int
	// Fingerprint is that of its weights and of the scale of its latents; Engine names what it runs on, which may
	// round otherwise.
	Fingerprint, Engine string
	// Encode returns what the latents of images [N, D] in [-1, 1] are drawn from, a Gaussian: its mean and the
	// logarithm of its variance.
	Encode func(x flow.Batch) (mean, logVar flow.Batch, err error)
}

// LatentOptions is how latents are made and kept.
type LatentOptions struct {
	// Sample says whether a latent is drawn from its Gaussian each time it is read, rather than its mean.
	Sample bool
	// Flip says whether images mirrored left to right are encoded, too, for [Latents.Mirrored].
	Flip bool
	// Limit is how many bytes of latents are held in memory; those of more, and all with Disk, are read from their
	// file in the cache folder when they are asked for.
	Limit int64
	Disk  bool
	// Name is what is told of the images to Watch, which may be nil.
	Name  string
	Watch *data.Watch
}

// Latents is a finite set of the latents of images. Each image was encoded once: what an image is drawn from is kept
// in the user's cache folder.
type Latents struct {
	// Standardizer maps latents to model units; nil: they are the same. It has one mean and one deviation.
	Standardizer *data.Standardizer

	of      *Collection
	dim     int // of a latent
	sampled bool
	flipped bool
	print   string

	held []float32 // nil: they are read from file
	file *os.File
}

// A file of latents is a mark, and the numbers of images and of float32 of each; then for each image the mean of its
// latents, their deviations if they are drawn, and both again of the mirrored image if there is one.
const (
	latentMark   = "flowmatch latents 1"
	latentHead   = 64
	latentEnding = ".latents"
)

// Encode returns the latents of m, whose labels they have. The images are encoded once, and what comes out is kept.
func Encode(m *Collection, e Encoder, o LatentOptions) (*Latents, error) {
	if err := e.fits(m); err != nil {
		return nil, err
	}
	dim, _ := files.Volume(e.Latents, 1)
	l := &Latents{of: m, dim: int(dim), sampled: o.Sample, flipped: o.Flip}
	d := digest.New()
	d.Text(m.Fingerprint())
	d.Text(fmt.Sprint(e.Fingerprint, e.Latents, o.Sample))
	l.print = d.String()
	cache, err := diskcache.Open()
	if err == nil && cache.Limit == 0 {
		err = fmt.Errorf("%s is 0", diskcache.SizeVar)
	}
	if err == nil {
		var own error
		if own, err = l.keep(cache, e, o); own != nil {
			return nil, own
		}
	}
	if err == nil {
		return l, nil
	}
	if o.Disk || l.bytes() > o.Limit {
		return nil, fmt.Errorf("data: latents of %s, %s, can be kept neither in memory nor on disk: %w", o.Name,
			memory.Size(float64(l.bytes())), err)
	}
	o.Watch.Tell("latents of %s are not kept on disk: %v", o.Name, err)
	l.held = make([]float32, 0, m.Len()*l.row())
	return l, l.encode(e, o, func(row []float32) error {
		l.held = append(l.held, row...)
		return nil
	})
}

// fits reports images that the encoder does not take.
func (e Encoder) fits(m *Collection) error {
	if e.Encode == nil || len(e.Latents) != 3 || slices.Min(e.Latents) < 1 {
		return fmt.Errorf("data: an encoder without Encode, or of latents of the shape %v; want height, width and "+
			"channels", e.Latents)
	}
	if of := m.Sides(); !slices.Equal(of, e.Image) {
		return fmt.Errorf("data: the encoder is for images of shape %v, and these have %v", e.Image, of)
	}
	return nil
}

// row is how many numbers are kept of an image.
func (l *Latents) row() int {
	n := l.dim
	if l.sampled {
		n *= 2
	}
	if l.flipped {
		n *= 2
	}
	return n
}

// bytes is the size of all latents.
func (l *Latents) bytes() int64 { return 4 * int64(l.of.Len()) * int64(l.row()) }

// keep makes the latents, unless they are kept already, and opens them. own is the error of what makes them, and err
// that of keeping them.
func (l *Latents) keep(cache diskcache.Cache, e Encoder, o LatentOptions) (own, err error) {
	name := digest.Short(fmt.Sprint(latentMark, l.print, e.Engine, l.flipped), 16) + latentEnding
	f, err := l.openFile(cache.Path(name))
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			o.Watch.Tell("the latents in the cache, %s, are damaged (%v), and are made anew", cache.Path(name), err)
		}
		o.Watch.Tell("%d images of %s are encoded once, and their latents kept in the cache %s, %s", l.of.Len(), o.Name,
			cache.Folder(), memory.Size(float64(l.bytes())))
		err = cache.Write(name, latentHead+l.bytes(), func(w io.Writer) error { return l.write(w, e, o, &own) })
		if own != nil || err != nil {
			return own, err
		}
		if f, err = l.openFile(cache.Path(name)); err != nil {
			return nil, err
		}
	}
	cache.Used(name)
	if o.Disk || l.bytes() > o.Limit {
		l.file = f
		return nil, nil
	}
	defer f.Close()
	if err := memory.Check("the latents of "+o.Name, float64(l.bytes())); err != nil {
		return err, nil
	}
	l.held = make([]float32, l.of.Len()*l.row())
	if _, err := f.Seek(latentHead, io.SeekStart); err != nil {
		return nil, err
	}
	return nil, readFloats(f, l.held)
}

// write writes the file of the latents. own is the error of what makes them.
func (l *Latents) write(w io.Writer, e Encoder, o LatentOptions, own *error) error {
	if _, err := w.Write(l.head()); err != nil {
		return err
	}
	var written error
	err := l.encode(e, o, func(rows []float32) error {
		written = binary.Write(w, binary.LittleEndian, rows)
		return written
	})
	if written == nil {
		*own = err
	}
	return err
}

// readFloats fills out from r.
func readFloats(r io.Reader, out []float32) error {
	buf := make([]byte, min(1<<20, 4*len(out)))
	for len(out) > 0 {
		part := buf[:min(len(buf), 4*len(out))]
		if _, err := io.ReadFull(r, part); err != nil {
			return err
		}
		floats(out, part)
		out = out[len(part)/4:]
	}
	return nil
}

// floats decodes float32.
func floats(out []float32, raw []byte) {
	for i := range len(raw) / 4 {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
}

// head is what the file begins with.
func (l *Latents) head() []byte {
	head := append(make([]byte, 0, latentHead), latentMark...)
	head = binary.LittleEndian.AppendUint64(head, uint64(l.of.Len()))
	head = binary.LittleEndian.AppendUint64(head, uint64(l.row()))
	return append(head, make([]byte, latentHead-len(head))...)
}

// openFile opens the file of the latents, if it is there and whole.
func (l *Latents) openFile(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	head := make([]byte, latentHead)
	if err == nil {
		_, err = f.ReadAt(head, 0)
	}
	if err == nil && (!bytes.Equal(head, l.head()) || info.Size() != latentHead+l.bytes()) {
		err = fmt.Errorf("it is not the latents of %d images", l.of.Len())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// encodedTogether bounds the numbers of images that are encoded together.
const encodedTogether = 1 << 20

// encode makes the rows of all images, in their order.
func (l *Latents) encode(e Encoder, o LatentOptions, use func(row []float32) error) error {
	m := *l.of
	m.Dequantize, m.Standardizer = false, nil
	n, ways := m.Len(), 1
	if l.flipped {
		ways = 2
	}
	part := l.row() / ways
	together := max(1, encodedTogether/m.dim)
	for lo := 0; lo < n; lo += together {
		hi := min(lo+together, n)
		x, rows := flow.NewBatch(hi-lo, m.dim), make([]float32, (hi-lo)*l.row())
		var index []int
		for i := lo; i < hi; i++ {
			index = append(index, i)
		}
		if err := m.Read(x, flow.Given{}, index, nil); err != nil {
			return err
		}
		for way := range ways {
			if way == 1 {
				for i := range x.N {
					mirror(x.Row(i), e.Image[1], e.Image[2])
				}
			}
			mean, logVar, err := e.Encode(x)
			if err != nil {
				return err
			}
			for i := range x.N {
				l.fill(rows[i*l.row()+way*part:], mean.Row(i), logVar.Row(i))
			}
		}
		if err := finite(rows, lo, l.row()); err != nil {
			return err
		}
		if err := use(rows); err != nil {
			return err
		}
		o.Watch.At("encoding", "images", float64(hi), float64(n))
	}
	return nil
}

// fill writes what is kept of a Gaussian.
func (l *Latents) fill(row []float32, mean, logVar []float64) {
	for k, v := range mean {
		row[k] = float32(v)
		if l.sampled {
			row[l.dim+k] = float32(math.Exp(logVar[k] / 2))
		}
	}
}

// finite reports latents of images that are no numbers.
func finite(rows []float32, from, row int) error {
	for k, v := range rows {
		if v-v != 0 {
			return fmt.Errorf("data: the encoder makes %g of image %d; is it one of such images?", v, from+k/row+1)
		}
	}
	return nil
}

// Len returns the number of images.
func (l *Latents) Len() int { return l.of.Len() }

// Dim returns how many numbers a latent has.
func (l *Latents) Dim() int { return l.dim }

// Fingerprint is the SHA-256 of what the latents are made of: the images with their labels, and the encoder.
func (l *Latents) Fingerprint() string { return l.print }

// Stored returns the file that latents are read from when they are asked for; empty: they are held in memory.
func (l *Latents) Stored() string {
	if l.file == nil {
		return ""
	}
	return l.file.Name()
}

// Points returns the latents as a set of points, which is a [data.PartReader] and shares l. Of latents that are drawn
// rng must not be nil: one number of it is used for each point.
func (l *Latents) Points() data.Finite { return latentPoints{l, false} }

// Mirrored returns Points in which each is the latent of the mirrored image with probability 1/2: they must be made
// with Flip. rng must not be nil.
func (l *Latents) Mirrored() (data.Finite, error) {
	if !l.flipped {
		return nil, errors.New("data: latents of mirrored images are not there; they are made with Flip")
	}
	return latentPoints{l, true}, nil
}

// latentPoints are latents as points.
type latentPoints struct {
	*Latents
	mirrored bool
}

// Classes returns the number of classes of the images.
func (p latentPoints) Classes() int { return p.of.Classes() }

// Context returns 0.
func (p latentPoints) Context() int { return 0 }

// Read implements [data.Finite].
func (p latentPoints) Read(x flow.Batch, given flow.Given, index []int, rng *rand.Rand) error {
	if err := data.CheckRead(p, x, given, index); err != nil {
		return err
	}
	return p.ReadPart(x, given, index, 0, rng)
}

// ReadPart implements [data.PartReader].
func (p latentPoints) ReadPart(x flow.Batch, given flow.Given, index []int, from int, rng *rand.Rand) error {
	all := index
	index = index[from : from+x.N]
	if err := data.CheckRead(p, x, given, index); err != nil {
		return err
	}
	drawn := p.sampled || p.mirrored
	row, buf := make([]float32, p.row()), make([]byte, 4*p.row())
	for k, i := range all {
		var u uint64
		if drawn {
			u = rng.Uint64()
		}
		if k < from || k >= from+x.N {
			continue
		}
		if err := p.get(row, buf, i); err != nil {
			return err
		}
		p.draw(x.Row(k-from), row, u)
		if given.Label != nil {
			given.Label[k-from] = p.of.Label[i]
		}
	}
	if p.Standardizer != nil {
		p.Standardizer.Apply(x)
	}
	return nil
}

// draw writes a latent of what is kept of an image, as u has it.
func (p latentPoints) draw(z []float64, row []float32, u uint64) {
	if half := p.row() / 2; p.mirrored && u&1 == 1 {
		row = row[half:]
	}
	for d := range z {
		z[d] = float64(row[d])
	}
	if !p.sampled {
		return
	}
	rng := rand.New(rand.NewPCG(u, latentStream))
	for d := range z {
		z[d] += float64(row[p.dim+d]) * rng.NormFloat64()
	}
}

// latentStream is the second half of the seed of the noise of a latent.
const latentStream = 0x6c6174656e74

// get reads what is kept of an image; buf has room for its bytes.
func (l *Latents) get(row []float32, buf []byte, i int) error {
	if l.held != nil {
		copy(row, l.held[i*len(row):])
		return nil
	}
	if _, err := l.file.ReadAt(buf, latentHead+int64(i)*int64(len(buf))); err != nil {
		return files.Malformed(l.file.Name(), "latents of image %d cannot be read: %v; run the command again", i+1, err)
	}
	floats(row, buf)
	return nil
}

// Fit fits one mean and one deviation to the latents of the images index: of those drawn, and of mirrored ones, too.
func (l *Latents) Fit(index []int) (*data.Standardizer, error) {
	row, buf := make([]float32, l.row()), make([]byte, 4*l.row())
	part := l.dim
	if l.sampled {
		part *= 2
	}
	sum, square, n := 0.0, 0.0, 0.0
	for _, i := range index {
		if err := l.get(row, buf, i); err != nil {
			return nil, err
		}
		for at := 0; at < len(row); at += part {
			for d := range l.dim {
				v := float64(row[at+d])
				sum += v
				square += v * v
				if l.sampled {
					s := float64(row[at+l.dim+d])
					square += s * s
				}
				n++
			}
		}
	}
	mean := sum / n
	variance := square/n - mean*mean
	if !(variance > 0) {
		return data.FitScalar(flow.Batch{N: 1, D: 1, X: []float64{mean}}) // its error says it
	}
	s := &data.Standardizer{Mean: []float64{mean}, Std: []float64{math.Sqrt(variance)}}
	return s, s.Validate()
}
