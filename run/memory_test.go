package run

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"flowmatch/data"
	"flowmatch/internal/diskcache"
	"flowmatch/internal/seed"
)

// tableRow is a row of the files that memory is tested with.
type tableRow struct {
	A float64 `parquet:"a"`
	B float32 `parquet:"b"`
	C float64 `parquet:"c"`
	K int32   `parquet:"k"`
}

// sameTables writes 600 rows as CSV, Parquet and, without the classes, NPY.
func sameTables(t *testing.T) map[string]string {
	t.Helper()
	dir, rng := t.TempDir(), seed.Rand(3, "test", 0)
	rows := make([]tableRow, 600)
	var text, packed bytes.Buffer
	text.WriteString("a,b,c,k\n")
	var numbers []float64
	for i := range rows {
		r := tableRow{rng.NormFloat64(), rng.Float32(), rng.ExpFloat64(), int32(rng.IntN(2))}
		rows[i] = r
		fmt.Fprintf(&text, "%v,%v,%v,%d\n", r.A, float64(r.B), r.C, r.K)
		numbers = append(numbers, r.A, float64(r.B), r.C)
	}
	if err := parquet.Write(&packed, rows, parquet.MaxRowsPerRowGroup(100)); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"CSV": filepath.Join(dir, "t.csv"), "Parquet": filepath.Join(dir, "t.parquet"),
		"NPY": filepath.Join(dir, "t.npy")}
	for kind, b := range map[string][]byte{"CSV": text.Bytes(), "Parquet": packed.Bytes()} {
		if err := os.WriteFile(files[kind], b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	writeArray(t, files["NPY"], []int{600, 3}, numbers)
	return files
}

// What is learnt from disk is what is learnt from memory, bit for bit: weights, losses and validation, also of a
// training that is stopped and resumed, from the other of the two.
func TestATrainingFromDiskIsThatFromMemory(t *testing.T) {
	t.Setenv(diskcache.DirVar, t.TempDir())
	files := sameTables(t)
	const text = `data: {path: %s, standardize: columns, val: 100}
net: {hidden: [16]}
train: {steps: 40, batch: 32, lr: 0.01, log_every: 5, val_every: 10, checkpoint_every: 20}
`
	labels := []string{"data.label=k", "conditional=true", "train.label_dropout=0.1", "coupling.name=ot",
		"coupling.label_aware=true"}
	contexts := []string{"data.columns=[a, c]", "data.context=[b]"}
	for name, c := range map[string]struct {
		file string
		set  []string
	}{
		"NPY": {"NPY", nil}, "OT": {"NPY", []string{"coupling.name=ot"}}, "CSV": {"CSV", nil},
		"CSV, labels and OT": {"CSV", labels}, "CSV, contexts": {"CSV", contexts}, "Parquet": {"Parquet", nil},
		"Parquet, labels and OT": {"Parquet", labels}, "Parquet, contexts": {"Parquet", contexts},
		"meanflow": {"NPY", []string{"train.objective=meanflow"}}, "mid-epoch": {"NPY", []string{"train.batch=47"}},
	} {
		train := func(dir string, steps int, memory string, resume bool) *Run {
			t.Helper()
			set := slices.Concat(c.set, []string{"data.memory=" + memory, fmt.Sprint("train.steps=", steps),
				"train.schedule=constant"})
			cfg, err := ParseConfig(fmt.Appendf(nil, text, files[c.file]), set)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			stored := ""
			r, err := Train(t.Context(), cfg, dir, TrainOptions{Resume: resume, Opened: func(s *data.Set, _ Config) {
				stored = s.Stored
			}})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if (stored != "") != (memory == "disk") {
				t.Errorf("%s: memory %s, stored in %q", name, memory, stored)
			}
			return r
		}
		held, disk, both := t.TempDir(), t.TempDir(), t.TempDir()
		want, got := train(held, 40, "held", false), train(disk, 40, "disk", false)
		train(both, 20, "held", false)
		resumed := train(both, 40, "disk", true)
		for of, r := range map[string]*Run{"from disk": got, "resumed from disk": resumed} {
			if !slices.Equal(weights(t, r), weights(t, want)) {
				t.Errorf("%s: other weights %s", name, of)
			}
			if a, b := figuresOf(t, r), figuresOf(t, want); a != b {
				t.Errorf("%s %s:\n%s, want\n%s", name, of, a, b)
			}
			if r.Model.Spec().Fingerprint != want.Model.Spec().Fingerprint {
				t.Errorf("%s: another fingerprint %s", name, of)
			}
		}
	}
}

// Images of a folder that are read from disk, or decoded as they are needed, are learnt as those that are held.
func TestATrainingOfImagesFromDiskIsThatFromMemory(t *testing.T) {
	t.Setenv(diskcache.DirVar, t.TempDir())
	folder, rng := t.TempDir(), seed.Rand(4, "test", 0)
	for i := range 60 {
		img := image.NewGray(image.Rect(0, 0, 9, 8))
		for p := range img.Pix {
			img.Pix[p] = byte(rng.Uint32())
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, nil); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprint(i, ".jpg")), b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	text := `data: {path: ` + folder + `, kind: folder, size: 4, channels: 1, flip: true, val: 10, standardize: scalar}
net: {hidden: [16]}
train: {steps: 20, batch: 32, lr: 0.01, log_every: 5, val_every: 10, checkpoint_every: 10, schedule: constant}
`
	train := func(dir string, steps int, memory string, resume bool) *Run {
		t.Helper()
		cfg, err := ParseConfig([]byte(text), []string{"data.memory=" + memory, fmt.Sprint("train.steps=", steps)})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Train(t.Context(), cfg, dir, TrainOptions{Resume: resume})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	want := train(t.TempDir(), 20, "held", false)
	got, both := train(t.TempDir(), 20, "disk", false), t.TempDir()
	train(both, 10, "held", false)
	resumed := train(both, 20, "disk", true)
	t.Setenv(diskcache.SizeVar, "0")
	decoded := train(t.TempDir(), 20, "disk", false)
	for of, r := range map[string]*Run{"from disk": got, "resumed": resumed, "decoded as they are needed": decoded} {
		if !slices.Equal(weights(t, r), weights(t, want)) || figuresOf(t, r) != figuresOf(t, want) {
			t.Errorf("other weights or losses %s", of)
		}
		if r.Model.Spec().Fingerprint != want.Model.Spec().Fingerprint {
			t.Errorf("another fingerprint %s", of)
		}
	}
}

// figuresOf are the losses of a run.
func figuresOf(t *testing.T, r *Run) string {
	t.Helper()
	events, err := r.events()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range events {
		fmt.Fprint(&b, e.Step, " ", e.Loss, " ")
		if e.ValLoss != nil {
			fmt.Fprint(&b, *e.ValLoss)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
