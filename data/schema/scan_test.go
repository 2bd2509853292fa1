package schema

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// wideColumns are columns of more different texts than a scan of the test keeps.
func wideColumns(n int) [][]string {
	rng := rand.New(rand.NewPCG(1, 2))
	of := func(name string, f func(i int) string) []string {
		out := []string{name}
		for i := range n {
			out = append(out, f(i))
		}
		return out
	}
	order := rng.Perm(n)
	missing := func(f func(i int) string) func(i int) string {
		return func(i int) string {
			if i%7 == 3 {
				return []string{"NA", "NA", "?"}[i%3]
			}
			return f(i)
		}
	}
	thousands := func(i int) string {
		v := 500*order[i] + 250
		if v >= 1e6 {
			return fmt.Sprintf("%d,%03d,%03d", v/1e6, v/1000%1000, v%1000)
		} else if v >= 1000 {
			return fmt.Sprintf("%d,%03d", v/1000, v%1000)
		}
		return fmt.Sprint(v)
	}
	day := func(i int, format string) string {
		return fmt.Sprintf(format, 1900+order[i]/336, 1+order[i]/28%12, 1+order[i]%28)
	}
	return [][]string{
		of("real", func(int) string { return fmt.Sprint(rng.NormFloat64()) }),
		of("real with gaps", missing(func(int) string { return fmt.Sprint(rng.ExpFloat64()) })),
		of("cents", func(int) string { return fmt.Sprintf("%.2f", float64(rng.IntN(1e6))/20) }),
		of("more and more decimals", func(i int) string { return fmt.Sprintf("%.*f", i*4/n, float64(i)*1.5) }),
		of("exponents", func(i int) string { return fmt.Sprintf("%de-3", order[i]) }),
		of("whole", missing(func(i int) string { return fmt.Sprint(7*order[i] - 50) })),
		of("large", func(i int) string { return fmt.Sprint(1_000_000_000_000_000_000 + 999*order[i]) }),
		of("id", func(i int) string { return fmt.Sprint(100 + order[i]) }),
		of("twice_id", func(i int) string { return fmt.Sprint(100 + order[i]/2) }),
		of("counted", func(i int) string { return fmt.Sprint(100 + i) }),
		of("counted to", func(i int) string { return fmt.Sprint(100 + min(i, n-2)) }),
		of("thousands", thousands),
		of("some thousands", func(i int) string { return thousands(i / 2 * 2) }),
		of("decimal commas", missing(func(i int) string {
			return strings.Replace(fmt.Sprint(float64(i)/4), ".", ",", 1)
		})),
		of("dollars", func(i int) string { return "$" + thousands(i) }),
		of("per cent", func(i int) string { return fmt.Sprintf("%.1f%%", float64(order[i])/10) }),
		of("day", func(i int) string { return day(i, "%d-%02d-%02d") }),
		of("days", func(i int) string { return day(i, "%[2]d/%[3]d/%[1]d") }),
		of("date", func(i int) string { return day(i, "%d%02d%02d") }),
		of("time", missing(func(i int) string { return day(i, "%d-%02d-%02dT10:20:30.25Z") })),
		of("code", func(i int) string { return fmt.Sprintf("%05d", order[i]) }),
		of("text", func(i int) string { return fmt.Sprintf("%x", uint64(order[i])*0x9e3779b97f4a7c15) }),
		of("infinite", func(i int) string { return []string{"inf", fmt.Sprint(rng.NormFloat64())}[min(1, i%50)] }),
		of("bad", func(i int) string { return []string{"oh", fmt.Sprint(rng.NormFloat64())}[min(1, i%50)] }),
		of("bad day", func(i int) string { return []string{"now", day(i, "%d-%02d-%02d")}[min(1, i%50)] }),
		of("half", func(i int) string { return []string{fmt.Sprint(i, "x"), fmt.Sprint(i)}[i%2] }),
	}
}

// What is found out of many rows is the same, whether all different texts are kept or the first of them, and in how
// many pieces the rows come.
func TestAScanFindsInPiecesWhatItFindsAtOnce(t *testing.T) {
	const n, kept = 4000, 1500
	columns := wideColumns(n)
	for name, o := range map[string]Options{
		"found": {},
		"asked": {Kinds: map[string]string{"whole": "real", "cents": "integer", "id": "integer", "text": "identifier",
			"date": "date", "bad": "real", "real": "date"}, Exclude: []string{"code"}, Columns: nil},
	} {
		cells := cellsOf(columns...)
		want, faults, err := Infer(cells, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, rows := range []int{n, 1000, 97} {
			scan, err := NewScan(o, cells.Names, nil, ",")
			if err != nil {
				t.Fatal(err)
			}
			scan.kept = kept
			for from := 0; from < n; from += rows {
				piece := make([][]string, len(columns))
				for k, c := range columns {
					piece[k] = append([]string{c[0]}, c[1+from:1+min(n, from+rows)]...)
				}
				scan.Add(cellsOf(piece...))
			}
			got, bad := scan.Schema()
			for k, c := range want.Columns {
				g := got.Columns[k]
				if strings.Contains(g.Note, "different texts") { // which are not all counted
					g.Note = c.Note
				}
				if !reflect.DeepEqual(g, c) {
					t.Errorf("%s, pieces of %d: %+v, want %+v", name, rows, g, c)
				}
			}
			if !reflect.DeepEqual(byColumn(bad), byColumn(faults)) {
				t.Errorf("%s, pieces of %d: faults %+v, want %+v", name, rows, byColumn(bad), byColumn(faults))
			}
		}
	}
}

// byColumn returns how many cells of each column are faults, and the first of these.
func byColumn(faults []Fault) map[string][2]any {
	of := map[string][2]any{}
	for _, f := range faults {
		have, there := of[f.Column]
		if !there {
			have[1] = f
			have[0] = 0
		}
		have[0] = have[0].(int) + f.Count
		of[f.Column] = have
	}
	return of
}

// A kind of levels that is asked for of too many texts is a fault however many there are.
func TestTooManyLevelsOfAWideColumnAreAFault(t *testing.T) {
	cells := cellsOf(count("x", "level %d", 4000))
	scan, err := NewScan(Options{Kinds: map[string]string{"x": "category"}}, cells.Names, nil, ",")
	if err != nil {
		t.Fatal(err)
	}
	scan.kept = 1500
	scan.Add(cells)
	if _, faults := scan.Schema(); len(faults) != 1 || !strings.Contains(faults[0].Problem, "want at most 1000") ||
		faults[0].Row != 1000 {
		t.Errorf("%+v", faults)
	}
}

// The values that are compared to find one that comes twice are few, whatever their number, and a share of all.
func TestAColumnCalledIDIsComparedWithinAMillionValues(t *testing.T) {
	e := &evidence{name: "id"}
	for i := range 3 * mostCompared {
		e.compare(text{fmt.Sprint(i), i, 1})
	}
	if e.twice || len(e.seen) >= mostCompared || len(e.seen) < mostCompared/4 {
		t.Errorf("twice %v, %d compared", e.twice, len(e.seen))
	}
	for i := range 100 {
		e.compare(text{fmt.Sprint(i), i, 1})
	}
	if !e.twice {
		t.Error("100 values came twice, and none was seen")
	}
}
