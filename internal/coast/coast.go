// Package coast has the coastlines of the Earth, for maps: those of Natural Earth at 1:110 million (public domain,
// version 4.1, by way of the package world-atlas 2.0.2).
package coast

import (
	_ "embed" // the lines
	"encoding/binary"
)

//go:embed coastline.bin
var lines []byte

// Bytes returns the lines as a file: for each the number of its points, and their longitudes and latitudes in
// hundredths of a degree, in little-endian words of 16 bits. It must not be changed.
func Bytes() []byte { return lines }

// Lines returns the lines, as longitudes and latitudes in degrees.
func Lines() (all [][][2]float64) {
	for rest := lines; len(rest) >= 2; {
		n := int(binary.LittleEndian.Uint16(rest))
		rest = rest[2:]
		line := make([][2]float64, n)
		for i := range line {
			line[i] = [2]float64{float64(int16(binary.LittleEndian.Uint16(rest[4*i:]))) / 100,
				float64(int16(binary.LittleEndian.Uint16(rest[4*i+2:]))) / 100}
		}
		all, rest = append(all, line), rest[4*n:]
	}
	return all
}
