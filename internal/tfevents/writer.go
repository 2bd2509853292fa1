package tfevents

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image/png"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Value is what an event reports under a tag.
type Value struct {
	Tag    string
	Scalar float64 // kept as float32
	PNG    []byte  // a picture, in place of the number
}

// Writer is an event file. Every event is in the file when Write returns.
type Writer struct{ f *os.File }

// The numbers of the fields in the package documentation.
const (
	eventTime, eventStep, eventVersion, eventSummary, eventSession = 1, 2, 3, 5, 7

	summaryValue                       = 1
	valueTag, valueScalar, valueImage  = 1, 2, 4
	imageHeight, imageWidth, imageKind = 1, 2, 3
	imageBytes                         = 4
	sessionStatus, sessionStart        = 1, 1
)

// version is the first event of a file.
const version = "brain.Event:2"

// rgba is Image.colorspace of four channels.
const rgba = 4

// Create begins a new file in dir, which is made if it is not there. Files of dir are
// read in the order of their names, which have the time. With first > 0 this one goes
// on after earlier ones: what they report of steps from first on is then forgotten, for
// those steps are taken again.
func Create(dir string, now time.Time, first int) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("tfevents: %w", err)
	}
	f, err := create(filepath.Join(dir, fmt.Sprintf("events.out.tfevents.%010d.flowmatch", now.Unix())))
	if err != nil {
		return nil, fmt.Errorf("tfevents: %w", err)
	}
	w := &Writer{f}
	err = w.event(now, 0, eventVersion, []byte(version))
	if err == nil && first > 0 {
		start := protowire.AppendTag(nil, sessionStatus, protowire.VarintType)
		err = w.event(now, first, eventSession, protowire.AppendVarint(start, sessionStart))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return w, nil
}

// create makes a file of that name or, where there is one of the same second, of the
// next that is free.
func create(name string) (*os.File, error) {
	free := name
	for k := 1; ; k++ {
		f, err := os.OpenFile(free, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
		free = name + "." + strconv.Itoa(k)
	}
}

// Write appends an event: values at a step. A picture that is no PNG is an error.
func (w *Writer) Write(at time.Time, step int, values ...Value) error {
	var summary []byte
	for _, v := range values {
		b, err := v.encode()
		if err != nil {
			return err
		}
		summary = appendBytes(summary, summaryValue, b)
	}
	return w.event(at, step, eventSummary, summary)
}

// Close closes the file.
func (w *Writer) Close() error { return w.f.Close() }

func (v Value) encode() ([]byte, error) {
	b := appendBytes(nil, valueTag, []byte(v.Tag))
	if v.PNG == nil {
		b = protowire.AppendTag(b, valueScalar, protowire.Fixed32Type)
		return protowire.AppendFixed32(b, math.Float32bits(float32(v.Scalar))), nil
	}
	size, err := png.DecodeConfig(bytes.NewReader(v.PNG))
	if err != nil {
		return nil, fmt.Errorf("tfevents: the picture %q: %w", v.Tag, err)
	}
	var img []byte
	for _, f := range []struct {
		num   protowire.Number
		value int
	}{{imageHeight, size.Height}, {imageWidth, size.Width}, {imageKind, rgba}} {
		img = protowire.AppendVarint(protowire.AppendTag(img, f.num, protowire.VarintType), uint64(f.value))
	}
	return appendBytes(b, valueImage, appendBytes(img, imageBytes, v.PNG)), nil
}

// event appends an event whose field what holds content.
func (w *Writer) event(at time.Time, step int, what protowire.Number, content []byte) error {
	b := protowire.AppendTag(nil, eventTime, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, math.Float64bits(float64(at.UnixMicro())/1e6))
	b = protowire.AppendTag(b, eventStep, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(step))
	if _, err := w.f.Write(frame(appendBytes(b, what, content))); err != nil {
		return fmt.Errorf("tfevents: %w", err)
	}
	return nil
}

func appendBytes(b []byte, num protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), content)
}

// frame returns a record.
func frame(content []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(content)))
	b = binary.LittleEndian.AppendUint32(b, masked(b))
	b = append(b, content...)
	return binary.LittleEndian.AppendUint32(b, masked(content))
}

// masked is the CRC-32C, turned and shifted so that it may itself be summed again.
func masked(b []byte) uint32 {
	crc := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	return (crc>>15 | crc<<17) + 0xa282ead8
}
