package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"flowmatch/flow"
	"flowmatch/internal/memory"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/run"
)

// kind is a kind of file that damaged ones are made of.
type kind struct {
	name   string
	whole  func(t *torturer) ([]byte, error)            // a good file
	mutate func(rng *rand.Rand, whole []byte) []byte    // nil: bytes
	read   func(file string) (accepted bool, err error) // err: what is wrong with the reader
}

// kinds is the table; what is added here is damaged and read.
func kinds() []kind {
	return slices.Concat([]kind{
		{"checkpoint", checkpointOf, mutateCheckpoint, readCheckpoint},
		{"run file", func(*torturer) ([]byte, error) { return []byte(runFile), nil }, nil, readRunFile},
	}, dataKinds(), otherKinds())
}

// readMutants reads damaged files of each kind. A reader may refuse one, or take it; it must
// not panic, take long, or take much memory.
func readMutants(t *torturer, r *report) {
	r.what = "damaged files"
	for _, k := range kinds() {
		whole, err := k.whole(t)
		if err != nil {
			r.fault("%s: %v", k.name, err)
			continue
		}
		file := filepath.Join(t.dir, "mutant")
		if err := wholeIsRead(k, file, whole); err != nil {
			r.fault("%s: %v", k.name, err)
			continue
		}
		n, accepted, slowest := t.often(1000, 30000), 0, time.Duration(0)
		for range n {
			mutate := k.mutate
			if mutate == nil || t.rng.IntN(3) == 0 {
				mutate = mutateBytes
			}
			b := mutate(t.rng, whole)
			if err := os.WriteFile(file, b, 0o600); err != nil {
				r.fault("%v", err)
				return
			}
			begin := time.Now()
			ok, err := guarded(k.read, file)
			slowest = max(slowest, time.Since(begin))
			if err != nil {
				kept := fmt.Sprintf("mutant-%s-%d", strings.ReplaceAll(k.name, " ", "-"), len(r.faults))
				r.fault("%s: %v; kept as %s (%v)", k.name, err, kept, os.WriteFile(kept, b, 0o600))
			}
			if ok {
				accepted++
			}
		}
		r.tried += n
		r.note("%s: %d of %d accepted, the slowest took %v", k.name, accepted, n, slowest.Round(time.Millisecond))
		if slowest > longest {
			r.fault("%s: a file took %v", k.name, slowest)
		}
	}
	const most = 1 << 30
	_, peak := memory.Process()
	if r.note("%d MiB at most", peak>>20); peak > most {
		r.fault("%d MiB for small files", peak>>20)
	}
}

// wholeIsRead reports a good file that is refused: nothing would be learnt from damaged ones.
func wholeIsRead(k kind, file string, whole []byte) error {
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		return err
	}
	if ok, err := guarded(k.read, file); err != nil || !ok {
		return fmt.Errorf("the whole file is refused (%v)", err)
	}
	return nil
}

// guarded calls a reader, and returns its panic as an error.
func guarded(read func(string) (bool, error), file string) (ok bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return read(file)
}

// mutateBytes changes, cuts, repeats or inserts a few bytes.
func mutateBytes(rng *rand.Rand, whole []byte) []byte {
	b := bytes.Clone(whole)
	for range 1 + rng.IntN(4) {
		if len(b) == 0 {
			break
		}
		at := rng.IntN(len(b))
		switch rng.IntN(6) {
		case 0:
			b[at] ^= 1 << rng.IntN(8)
		case 1:
			b[at] = byte(rng.UintN(256))
		case 2:
			b = b[:at]
		case 3:
			end := at + rng.IntN(min(len(b)-at, 64))
			b = append(b[:end:end], b[at:]...)
		case 4:
			end := at + rng.IntN(min(len(b)-at, 64))
			b = append(b[:at:at], b[end:]...)
		case 5:
			b = append(b[:at:at], append([]byte("-9e99[{\x00\xff\n")[rng.IntN(9):], b[at:]...)...)
		}
	}
	return b
}

// checkpointOf trains a small conditional run, and returns its checkpoint.
func checkpointOf(t *torturer) ([]byte, error) {
	dir, file := filepath.Join(t.dir, "mutated"), filepath.Join(t.dir, "mutated.yaml")
	const text = "data: {name: checkerboard, val: 10, test: 10}\nnet: {hidden: [4]}\ntrain: {steps: 5, batch: 8}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if e, err := t.start(trainArgs(file, dir, nil)...); err != nil || e.code != 0 {
		return nil, fmt.Errorf("exit code %d, %v: %.300s", e.code, err, e.stderr)
	}
	return os.ReadFile(filepath.Join(dir, run.CheckpointFile))
}

// wrong are values that are put in the place of those of metadata.
var wrong = []any{nil, true, "", "x", -1, 0, 1, 2, 3, 0.5, -0.5, 1e300, -1e300, 1e-320, int64(math.MaxInt64),
	int64(math.MinInt64), 1 << 31, []any{}, []any{-1, -2}, []any{1, 2, 3}, []any{0}, []any{1e300, 1e300},
	[]any{"a", "b", "c"}, map[string]any{}, map[string]any{"mean": []any{0}, "std": []any{-1}}}

// mutateCheckpoint changes values of a checkpoint's header, or bytes behind it.
func mutateCheckpoint(rng *rand.Rand, whole []byte) []byte {
	size := binary.LittleEndian.Uint64(whole)
	if rng.IntN(4) == 0 {
		return append(bytes.Clone(whole[:8+size]), mutateBytes(rng, whole[8+size:])...)
	}
	var header map[string]any
	if err := json.Unmarshal(whole[8:8+size], &header); err != nil {
		return whole
	}
	if meta, ok := header["__metadata__"].(map[string]any); ok && rng.IntN(4) > 0 {
		for _, key := range slices.Sorted(maps.Keys(meta)) { // so that a seed says what is damaged
			var v any
			if rng.IntN(2) == 0 || json.Unmarshal([]byte(meta[key].(string)), &v) != nil {
				continue
			}
			for range 1 + rng.IntN(2) {
				v = replaced(rng, v)
			}
			b, _ := json.Marshal(v) // of JSON, which has no fault
			meta[key] = string(b)
		}
	} else {
		header = replaced(rng, header).(map[string]any)
	}
	text, _ := json.Marshal(header)
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	return append(append(out, text...), whole[8+size:]...)
}

// replaced puts a wrong value somewhere in a value of JSON; a section stays one.
func replaced(rng *rand.Rand, v any) any {
	switch x := v.(type) {
	case map[string]any:
		if keys := slices.Sorted(maps.Keys(x)); len(keys) > 0 {
			k := keys[rng.IntN(len(keys))]
			if _, section := x[k].(map[string]any); section && rng.IntN(4) > 0 {
				x[k] = replaced(rng, x[k])
			} else {
				x[k] = wrong[rng.IntN(len(wrong))]
			}
		}
		return x
	case []any:
		if len(x) > 0 && rng.IntN(2) == 0 {
			x[rng.IntN(len(x))] = wrong[rng.IntN(len(wrong))]
			return x
		}
	}
	return wrong[rng.IntN(len(wrong))]
}

// readCheckpoint opens a checkpoint, to sample from and to go on with.
func readCheckpoint(file string) (bool, error) {
	eng, err := nn.Open("")
	if err != nil {
		return false, err
	}
	_, loaded := model.Load(file, eng)
	m, _, err := model.Open(file, eng)
	if err != nil {
		if loaded == nil {
			return false, fmt.Errorf("loaded, and not opened: %w", err)
		}
		return false, nil
	}
	given := flow.NewGiven(2, m.Spec().Net.Classes > 0, m.Spec().Net.Context)
	s, err := m.Sample(context.Background(), model.SampleOptions{N: 2, Given: given,
		Sampler: model.ODE{Solver: ode.Solver{Method: ode.Euler, Control: ode.Fixed(2)}}})
	if err != nil {
		return true, nil // which says so
	}
	for _, v := range s.X.X {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return true, fmt.Errorf("a sample is %v", v)
		}
	}
	return true, nil
}

// readRunFile reads a run file.
func readRunFile(file string) (bool, error) {
	_, err := run.ReadConfig(file, nil)
	return err == nil, nil
}
