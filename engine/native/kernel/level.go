package kernel

import (
	"fmt"
	"os"
	"strings"
)

// Level is a set of instructions that kernels are written for.
type Level int

// The levels: the one that every CPU has, and those of amd64 and of arm64, narrowest first.
const (
	Portable Level = iota // Go
	AVX2                  // AVX2 and FMA, 8 floats at a time
	AVX512                // AVX-512 F, BW, DQ and VL, 16 floats at a time
	AMX                   // AVX-512, and tiles of bfloat16 (AMX-BF16)
	NEON                  // the vectors that every arm64 has, 4 floats at a time
)

// EnvVar names the environment variable that forces a level: portable, avx2, avx512, amx or neon.
const EnvVar = "FLOWMATCH_CPU"

var levelNames = [...]string{"portable", "avx2", "avx512", "amx", "neon"}

func (l Level) String() string { return levelNames[l] }

// Levels returns the levels that this CPU has, narrowest first.
func Levels() []Level { return append([]Level{Portable}, assemblyLevels()...) }

// Best returns the widest level that this CPU has, or the one that EnvVar asks
// for; asking for one that the CPU does not have is an error.
func Best() (Level, error) {
	have := Levels()
	name := os.Getenv(EnvVar)
	if name == "" {
		return have[len(have)-1], nil
	}
	for _, l := range have {
		if l.String() == name {
			return l, nil
		}
	}
	var names []string
	for _, l := range have {
		names = append(names, l.String())
	}
	return 0, fmt.Errorf("kernel: %s=%q; on this CPU it must be one of %s", EnvVar, name, strings.Join(names, ", "))
}
