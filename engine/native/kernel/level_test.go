package kernel

import (
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestBest(t *testing.T) {
	have := Levels()
	for _, l := range have {
		t.Setenv(EnvVar, l.String())
		if got, err := Best(); got != l || err != nil {
			t.Errorf("%s=%s: %v, %v", EnvVar, l, got, err)
		}
	}
	t.Setenv(EnvVar, "")
	if got, err := Best(); got != have[len(have)-1] || err != nil {
		t.Errorf("without %s: %v, %v", EnvVar, got, err)
	}
	for _, name := range append(slices.Clone(levelNames[:]), "avx", "NEON") {
		if slices.ContainsFunc(have, func(l Level) bool { return l.String() == name }) {
			continue
		}
		t.Setenv(EnvVar, name)
		_, err := Best()
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "portable") {
			t.Errorf("%s=%s: %v", EnvVar, name, err)
		}
	}
}

// A level belongs to one architecture; that of arm64 every CPU of it has.
func TestLevelsOfArchitectures(t *testing.T) {
	of := map[Level]string{AVX2: "amd64", AVX512: "amd64", AMX: "amd64", NEON: "arm64"}
	for _, l := range Levels() {
		if want, ok := of[l]; ok && want != runtime.GOARCH {
			t.Errorf("%v on %s", l, runtime.GOARCH)
		}
	}
	if has := slices.Contains(Levels(), NEON); has != (runtime.GOARCH == "arm64") {
		t.Errorf("neon on %s: %v", runtime.GOARCH, has)
	}
}
