package metrics

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc64"
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
	// Sum is the CRC-64 (ECMA) of all that follows, by which damage is known; nil in an
	// older file.
	Sum *uint64 `json:"sum,omitempty"`
}

// table is that of the sum.
var table = crc64.MakeTable(crc64.ECMA)

// WriteFeatureStats writes s: one line of JSON with the extractor, the split, n and
// d, then the mean and the rows of the covariance as little-endian float64, which
// numpy.frombuffer reads as well. To make or replace a file whole, let
// internal/atomicfile call it.
func WriteFeatureStats(w io.Writer, s FeatureStats) error {
	if err := s.check("WriteFeatureStats"); err != nil {
		return err
	}
	sum := crc64.New(table)
	err := s.writeNumbers(sum)
	var head []byte
	if err == nil {
		of := sum.Sum64()
		head, err = json.Marshal(statsHeader{statsFormat, s.Extractor, s.Split, s.N, len(s.Mean), &of})
	}
	if err == nil {
		_, err = w.Write(append(head, '\n'))
	}
	if err == nil {
		err = s.writeNumbers(w)
	}
	if err != nil {
		return fmt.Errorf("metrics: WriteFeatureStats: %w", err)
	}
	return nil
}

// writeNumbers writes the mean and the covariances.
func (s FeatureStats) writeNumbers(w io.Writer) error {
	return errors.Join(binary.Write(w, binary.LittleEndian, s.Mean), binary.Write(w, binary.LittleEndian, s.Cov))
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
	sum := crc64.New(table)
	numbers := io.TeeReader(in, sum)
	row := make([]float64, head.D)
	for k := range head.D + 1 { // row by row, so that a false d asks for no memory
		if err := binary.Read(numbers, binary.LittleEndian, row); err != nil {
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
	err = s.check("ReadFeatureStats")
	if head.Sum != nil && *head.Sum != sum.Sum64() {
		err = errors.Join(errors.New("metrics: ReadFeatureStats: the file is damaged: its numbers do not have the sum "+
			"that it was written with; remove it, to have it made again"), err)
	}
	return s, err
}
