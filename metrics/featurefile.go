package metrics

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// statsFormat and maxFeatures belong to the file of a [FeatureStats].
const (
	statsFormat = "flowmatch feature statistics 1"
	maxFeatures = 1 << 16
)

type statsHeader struct {
	Format    string `json:"format"`
	Extractor string `json:"extractor"`
	Split     string `json:"split"`
	N         int    `json:"n"`
	D         int    `json:"d"`
}

// WriteFeatureStats writes s: one line of JSON with the extractor, the split, n and
// d, then the mean and the rows of the covariance as little-endian float64, which
// numpy.frombuffer reads as well. To make or replace a file whole, let
// internal/atomicfile call it.
func WriteFeatureStats(w io.Writer, s FeatureStats) error {
	if err := s.check("WriteFeatureStats"); err != nil {
		return err
	}
	head, err := json.Marshal(statsHeader{statsFormat, s.Extractor, s.Split, s.N, len(s.Mean)})
	if err == nil {
		_, err = w.Write(append(head, '\n'))
	}
	for _, part := range [][]float64{s.Mean, s.Cov} {
		if err == nil {
			err = binary.Write(w, binary.LittleEndian, part)
		}
	}
	if err != nil {
		return fmt.Errorf("metrics: WriteFeatureStats: %w", err)
	}
	return nil
}

// ReadFeatureStats reads what [WriteFeatureStats] wrote, to the bit. A file that is
// cut off, or goes on after its end, is an error.
func ReadFeatureStats(r io.Reader) (FeatureStats, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	line, err := in.ReadSlice('\n') // no longer than the buffer
	var head statsHeader
	if err == nil {
		err = json.Unmarshal(line, &head)
	}
	if err != nil || head.Format != statsFormat {
		return FeatureStats{}, fmt.Errorf("metrics: ReadFeatureStats: the first line is not that of %q, written by "+
			"WriteFeatureStats", statsFormat)
	}
	if head.D < 1 || head.D > maxFeatures {
		return FeatureStats{}, fmt.Errorf("metrics: ReadFeatureStats: d is %d; it must be from 1 to %d",
			head.D, maxFeatures)
	}
	s := FeatureStats{Extractor: head.Extractor, Split: head.Split, N: head.N}
	row := make([]float64, head.D)
	for k := range head.D + 1 { // row by row, so that a false d asks for no memory
		if err := binary.Read(in, binary.LittleEndian, row); err != nil {
			return FeatureStats{}, fmt.Errorf("metrics: ReadFeatureStats: cut off in row %d of the mean and %d rows "+
				"of covariances: %w", k, head.D, err)
		}
		if k == 0 {
			s.Mean = append(s.Mean, row...)
		} else {
			s.Cov = append(s.Cov, row...)
		}
	}
	if _, err := in.ReadByte(); err != io.EOF {
		return FeatureStats{}, fmt.Errorf(
			"metrics: ReadFeatureStats: there is more after the last covariance of %d features",
			head.D)
	}
	return s, s.check("ReadFeatureStats")
}
