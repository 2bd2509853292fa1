package cli

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/data/table"
	"flowmatch/flow"
)

// posterior trains a run on simulations of a and b that are seen as x and y.
func posterior(t *testing.T) (dir, sims string) {
	t.Helper()
	folder := t.TempDir()
	var b strings.Builder
	b.WriteString("a,b,x,y\n")
	for i := range 300 {
		u, v := math.Sin(float64(i)), math.Cos(float64(7*i))
		fmt.Fprintf(&b, "%g,%g,%g,%g\n", u, v, 3*u+math.Sin(float64(11*i)), 100+v)
	}
	sims, dir = filepath.Join(folder, "sims.csv"), filepath.Join(folder, "run")
	file := filepath.Join(folder, "run.yaml")
	for name, text := range map[string]string{sims: b.String(), file: "data: {path: sims.csv, context: [x, y]}\n" +
		"net: {residual: {width: 8, blocks: 1}}\ntrain: {steps: 20, batch: 32}\n"} {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	succeed(t, "train", file, "--out", dir, "-q")
	return dir, sims
}

func TestSamplesOfAContextGoBackIntoLogp(t *testing.T) {
	dir, sims := posterior(t)
	out := filepath.Join(t.TempDir(), "s")
	obs := writeText(t, "obs.csv", "y,x\n100.5,0.25\n99,-1\n")
	got := succeedJSON(t, "sample", dir, "--given", obs, "--n", "3", "--logp", "--out", out+".csv", "-q")
	if got["n"] != 6.0 || got["given"] != obs {
		t.Errorf("3 samples of 2 contexts: %v, given %v", got["n"], got["given"])
	}
	text, err := os.ReadFile(out + ".csv")
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err != nil || lines[0] != "a,b,x,y,logp" || len(lines) != 7 {
		t.Fatalf("%v: %q", err, lines)
	}
	var logp []string
	for i, line := range lines[1:] {
		f := strings.Split(line, ",")
		logp = append(logp, f[4])
		if want := [][]string{{"0.25", "100.5"}, {"-1", "99"}}[i/3]; !slices.Equal(f[2:4], want) {
			t.Errorf("sample %d is given %v, want %v", i, f[2:4], want)
		}
	}
	succeed(t, "sample", dir, "--given", obs, "--n", "3", "--out", out+".npy", "-q")
	// A density is the same alone, beside others, from its own columns or from another file.
	for name, args := range map[string][]string{
		"its own columns": {"--data", out + ".csv"},
		"beside an array": {"--data", out + ".npy", "--given", out + ".given.npy"},
	} {
		values := filepath.Join(t.TempDir(), "logp.csv")
		succeed(t, append([]string{"logp", dir, "--out", values, "-q"}, args...)...)
		text, err := os.ReadFile(values)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
			var got, want float64
			if _, err := fmt.Sscan(line+" "+logp[i], &got, &want); err != nil || math.Abs(got-want) > 1e-3 {
				t.Errorf("%s, sample %d: log p %g, when it was drawn %g (%v)", name, i, got, want, err)
			}
		}
	}
	one := succeedJSON(t, "logp", dir, "--data", sims, "--given", "y=100,x=0", "-q")
	if one["points"] != 300.0 {
		t.Errorf("one context for all points: %v", one["points"])
	}
	held := filepath.Join(t.TempDir(), "held.csv")
	succeed(t, "sample", dir, "--given", "test", "--n", "4", "--out", held, "-q")
	far := succeedJSON(t, "sample", dir, "--given", "x=20,y=100", "--n", "2", "--out", held, "-q")
	if w := fmt.Sprint(far["warnings"]); !strings.Contains(w, `"x" is 20`) {
		t.Errorf("a context far away: warnings %s", w)
	}
}

func TestTheMostLikelyPointOfEachContextIsWritten(t *testing.T) {
	dir, _ := posterior(t)
	out := filepath.Join(t.TempDir(), "modes.csv")
	obs := writeText(t, "obs.csv", "y,x\n100.5,0.25\n99,-1\n")
	got := succeedJSON(t, "sample", dir, "--given", obs, "--map", "--out", out, "-q")
	if got["n"] != 2.0 || len(got["points"].([]any)) != 2 || got["unsettled"] != nil {
		t.Errorf("the most likely points: %v", got)
	}
	// No sample is more likely.
	samples := filepath.Join(t.TempDir(), "s.csv")
	succeed(t, "sample", dir, "--given", obs, "--n", "100", "--logp", "--out", samples, "-q")
	column := func(file string) (logp []float64) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
			var v float64
			if _, err := fmt.Sscan(line[strings.LastIndex(line, ",")+1:], &v); err != nil {
				t.Fatal(err)
			}
			logp = append(logp, v)
		}
		return logp
	}
	modes, all := column(out), column(samples)
	for i, top := range modes {
		if most := slices.Max(all[100*i : 100*i+100]); most > top+1e-3 || most < top-1 {
			t.Errorf("context %d: the most likely point has log p %.4f, a sample %.4f", i, top, most)
		}
	}
	for want, more := range map[string][]string{
		"--n has no effect":     {"--n", "3"},
		"needs an ODE solver":   {"--solver", "ddpm"},
		"--guidance has no eff": {"--guidance", "2"},
	} {
		args := append([]string{"sample", dir, "--given", obs, "--map", "--out", out}, more...)
		if code, _, stderr := invoke(t, args...); code != 2 || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d, %s, want %q", more, code, stderr, want)
		}
	}
}

func TestAContextThatCannotBeSolvedForIsFlaggedAlone(t *testing.T) {
	dir, _ := posterior(t)
	out := filepath.Join(t.TempDir(), "s.csv")
	obs := writeText(t, "obs.csv", "x,y\n0.25,100.5\n1e300,100\n-1,99\n")
	code, stdout, stderr := invoke(t, "sample", dir, "--given", obs, "--n", "2", "--logp", "--out", out, "--json")
	if code != 1 || !strings.Contains(stderr, "2 of 6 samples cannot be drawn, and are NaN: those of context 2") ||
		!strings.Contains(stdout, `"unsolved": [
    2,
    3
  ]`) {
		t.Errorf("exit code %d, %s, %s", code, stdout, stderr)
	}
	text, err := os.ReadFile(out)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err != nil || len(lines) != 7 || lines[0] != "a,b,x,y,logp" {
		t.Fatalf("%v: %q", err, lines)
	}
	for i, line := range lines[1:] {
		if strings.HasPrefix(line, "NaN,NaN,") != (i == 2 || i == 3) {
			t.Errorf("sample %d is %s", i, line)
		}
	}
}

func TestContextsThatDoNotFitARun(t *testing.T) {
	dir, sims := posterior(t)
	plain := trained(t)
	out := filepath.Join(t.TempDir(), "s.csv")
	array := filepath.Join(t.TempDir(), "points.npy")
	if err := table.WriteNPY(array, flow.Batch{N: 2, D: 2, X: []float64{1, 2, 3, 4}}); err != nil {
		t.Fatal(err)
	}
	other := writeText(t, "other.csv", "a,b,x\n1,2,3\n1,2,3\n")
	for want, args := range map[string][]string{
		`needs its context, "x", "y"`:             {"sample", dir, "--n", "3", "--out", out},
		`unknown context "z"`:                     {"sample", dir, "--given", "x=1,z=2", "--n", "3", "--out", out},
		`"y" is missing`:                          {"sample", dir, "--given", "x=1", "--n", "3", "--out", out},
		`no column "y"`:                           {"sample", dir, "--given", other, "--n", "3", "--out", out},
		"no such file":                            {"sample", dir, "--given", "gone.csv", "--n", "3", "--out", out},
		"--given is empty":                        {"sample", dir, "--given", "", "--n", "3", "--out", out},
		"runs with data.context":                  {"sample", plain, "--given", "x=1", "--n", "3", "--out", out},
		`no column "y"; the columns are`:          {"logp", dir, "--data", other},
		"needs its context":                       {"logp", dir, "--data", array},
		"300 contexts for 2 points: give one for": {"logp", dir, "--data", other, "--given", sims},
	} {
		if code, _, stderr := invoke(t, args...); code != 2 || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d, %s, want %q", args[2:], code, stderr, want)
		}
	}
}

func TestSamplesAndDensitiesKeepWithinBounds(t *testing.T) {
	_, sims := posterior(t)
	dir := filepath.Join(t.TempDir(), "run")
	file := writeText(t, "run.yaml", "data: {path: "+sims+", context: [x, y], bounds: {a: [-1, 1], b: [-1, 1]}}\n"+
		"net: {residual: {width: 8, blocks: 1}}\ntrain: {steps: 20, batch: 32}\n")
	succeed(t, "train", file, "--out", dir, "-q")
	out := filepath.Join(t.TempDir(), "s.csv")
	got := succeedJSON(t, "sample", dir, "--given", "x=0,y=100", "--n", "50", "--logp", "--out", out, "-q")
	a, ok := got["acceptance"].(map[string]any)
	if !ok || a["drawn"].(float64) < 50 || got["mass"] == nil ||
		!strings.Contains(fmt.Sprint(got["bounds"]), "a in [-1, 1]") {
		t.Errorf("the result of samples within bounds: %v", got)
	}
	said := succeed(t, "sample", dir, "--given", "x=0,y=100", "--n", "50", "--out", out, "-q")
	if !strings.Contains(said, "the rest was drawn again") {
		t.Errorf("the text of samples within bounds: %s", said)
	}
	points := writeText(t, "points.csv", "a,b\n0,0\n2,0\n0.5,0.5\n")
	values := filepath.Join(t.TempDir(), "logp.csv")
	l := succeedJSON(t, "logp", dir, "--data", points, "--given", "x=0,y=100", "--out", values, "-q")
	m, ok := l["mass"].(map[string]any)
	if !ok || m["outside"] != 1.0 || m["contexts"] != 1.0 || l["points"] != 2.0 {
		t.Errorf("log-densities within bounds: %v", l)
	}
	text, err := os.ReadFile(values)
	if err != nil || strings.Split(string(text), "\n")[2] != "-Inf" {
		t.Errorf("the value of a point outside: %q (%v)", text, err)
	}
	outside := writeText(t, "outside.csv", "a,b\n0,7\n")
	if code, _, stderr := invoke(t, "logp", dir, "--data", outside, "--given", "x=0,y=100"); code != 1 ||
		!strings.Contains(stderr, "out of the bounds of the model (a in [-1, 1], b in [-1, 1])") {
		t.Errorf("points that are all outside: exit code %d, %s", code, stderr)
	}
	// Their mean has no value, but each of them has.
	said = succeed(t, "logp", dir, "--data", outside, "--given", "x=0,y=100", "--out", values, "-q")
	text, err = os.ReadFile(values)
	if err != nil || string(text) != "logp\n-Inf\n" || !strings.Contains(said, "out of the bounds of the model") ||
		!strings.Contains(said, "given") {
		t.Errorf("the values of points that are all outside: %q, %s (%v)", text, said, err)
	}
	inside := writeText(t, "inside.csv", "a,b\n0,0\n")
	said = succeed(t, "logp", dir, "--data", inside, "--given", "x=0,y=100", "-q")
	if strings.Contains(said, "± 0.0000") {
		t.Errorf("the standard error of one point: %s", said)
	}
}

func TestPicturesOfOneContext(t *testing.T) {
	dir, sims := posterior(t)
	out := filepath.Join(t.TempDir(), "p.svg")
	got := succeedJSON(t, "plot", dir, "--kind", "pairs", "--given", "x=0.25,y=100", "--truth", "a=0.1,b=0.2",
		"--n", "100", "--out", out, "-q")
	if fmt.Sprint(got["given"]) != "map[x:0.25 y:100]" || fmt.Sprint(got["truth"]) != "[0.1 0.2]" {
		t.Errorf("a corner plot of a context: %v", got)
	}
	if text := succeed(t, "plot", dir, "--kind", "density", "--out", out, "-q"); !strings.Contains(text, "given") {
		t.Errorf("a density does not say of which context it is: %s", text)
	}
	for want, args := range map[string][]string{
		"--given has 300 contexts, and a picture is of one": {"--kind", "samples", "--given", sims},
		"--given has no effect on a picture of kind loss":   {"--kind", "loss", "--given", "x=1,y=1"},
		"--truth has no effect on a picture of kind field":  {"--kind", "field", "--truth", "a=1,b=1"},
		`--truth: "b" is missing; the point is "a", "b"`:    {"--kind", "pairs", "--truth", "a=1"},
		`--truth: unknown point "c"`:                        {"--kind", "pairs", "--truth", "a=1,c=1"},
		"--truth has 300 rows":                              {"--kind", "pairs", "--truth", sims},
		`--given: unknown context "z"`:                      {"--kind", "samples", "--given", "z=3"},
	} {
		args = append([]string{"plot", dir, "--out", out}, args...)
		if code, _, stderr := invoke(t, args...); code != 2 || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d, %s, want %q", args, code, stderr, want)
		}
	}
}

// TestClassesStandBesideContexts: a file of contexts may have the column of the labels, too.
func TestClassesStandBesideContexts(t *testing.T) {
	var b strings.Builder
	b.WriteString("a,x,kind\n")
	for i := range 200 {
		fmt.Fprintf(&b, "%g,%g,%d\n", math.Sin(float64(i)), math.Cos(float64(3*i)), []int{3, 7}[i%2])
	}
	sims := writeText(t, "sims.csv", b.String())
	dir := filepath.Join(t.TempDir(), "run")
	file := writeText(t, "run.yaml", "data: {path: "+sims+", context: [x], label: kind}\nconditional: true\n"+
		"net: {residual: {width: 8, blocks: 1}}\ntrain: {steps: 20, batch: 32}\n")
	succeed(t, "train", file, "--out", dir, "-q")
	labelled := writeText(t, "labelled.csv", "kind,x\n7,0.25\n3,-0.5\n")
	plain := writeText(t, "plain.csv", "x\n0.25\n-0.5\n")
	out := filepath.Join(t.TempDir(), "s.csv")
	kinds := func() (kinds string) {
		text, err := os.ReadFile(out)
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		if err != nil || lines[0] != "a,x,kind" && lines[0] != "a,x,kind,logp" {
			t.Fatalf("%v: %q", err, lines)
		}
		for _, line := range lines[1:] {
			kinds += strings.Split(line, ",")[2]
		}
		return kinds
	}
	for want, args := range map[string][]string{
		"777333": {"--given", labelled, "--n", "3"},
		"373737": {"--given", plain, "--n", "3"},
		"333333": {"--given", plain, "--n", "3", "--label", "3"},
		"73":     {"--given", labelled, "--map"},
	} {
		succeed(t, append([]string{"sample", dir, "--out", out, "-q"}, args...)...)
		if got := kinds(); got != want {
			t.Errorf("%v: classes %s, want %s", args, got, want)
		}
	}
	points := writeText(t, "points.csv", "a\n0.1\n0.2\n")
	both := writeText(t, "both.csv", "a,kind\n0.1,7\n0.2,3\n")
	one := succeedJSON(t, "logp", dir, "--data", points, "--given", labelled, "-q")
	two := succeedJSON(t, "logp", dir, "--data", both, "--given", plain, "-q")
	if one["nll"] != two["nll"] || one["nll"] == nil {
		t.Errorf("classes beside contexts and beside points: NLL %v and %v", one["nll"], two["nll"])
	}
	again := succeedJSON(t, "logp", dir, "--data", both, "--given", labelled, "-q")
	if w := fmt.Sprint(again["warnings"]); !strings.Contains(w, "is not used") {
		t.Errorf("classes in both files: warnings %s", w)
	}
	picture := filepath.Join(t.TempDir(), "p.png")
	single := writeText(t, "single.csv", "kind,x\n7,0.25\n")
	drawn := succeedJSON(t, "plot", dir, "--kind", "density", "--given", single, "--out", picture, "-q")
	if fmt.Sprint(drawn["label"]) != "7" {
		t.Errorf("the class of a picture: %v", drawn)
	}
	odd := writeText(t, "odd.csv", "kind,x\n5,0.25\n")
	for want, args := range map[string][]string{
		"leave out one of them": {"sample", dir, "--given", labelled, "--label", "3", "--n", "2", "--out", out},
		`"5"`:                   {"sample", dir, "--given", odd, "--n", "2", "--out", out},
	} {
		if code, _, stderr := invoke(t, args...); code != 2 || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d, %s, want %q", args[2:], code, stderr, want)
		}
	}
}

func TestRowsThatAreLeftOutAreCounted(t *testing.T) {
	var b strings.Builder
	b.WriteString("a,x\n")
	for i := range 60 {
		x := fmt.Sprint(math.Cos(float64(3 * i)))
		if i%20 == 7 {
			x = "NA"
		}
		fmt.Fprintf(&b, "%g,%s\n", math.Sin(float64(i)), x)
	}
	sims := writeText(t, "sims.csv", b.String())
	text := "data: {path: " + sims + ", context: [x]%s}\nnet: {hidden: [8]}\ntrain: {steps: 3, batch: 16}\n"
	file := writeText(t, "run.yaml", fmt.Sprintf(text, ", missing: drop"))
	got := succeedJSON(t, "train", file, "--out", filepath.Join(t.TempDir(), "run"), "-q")
	if got["skipped"] != 3.0 || !strings.Contains(fmt.Sprint(got["warnings"]), "3 of 60 rows are left out") {
		t.Errorf("rows left out: %v, warnings %v", got["skipped"], got["warnings"])
	}
	file = writeText(t, "strict.yaml", fmt.Sprintf(text, ""))
	code, _, stderr := invoke(t, "train", file, "--out", filepath.Join(t.TempDir(), "run"))
	if code != 1 || !strings.Contains(stderr, `line 9, column "x": "NA" is not a number`) ||
		!strings.Contains(stderr, "data.missing: drop") {
		t.Errorf("a missing number: exit code %d, %s", code, stderr)
	}
}

// TestWideContextsLieBesideTheSamples: a table with a column for each of their numbers would be of no use.
func TestWideContextsLieBesideTheSamples(t *testing.T) {
	folder := t.TempDir()
	theta, x := flow.NewBatch(60, 1), flow.NewBatch(60, 101)
	for i := range 60 {
		theta.X[i] = math.Sin(float64(i))
		for k := range 101 {
			x.Row(i)[k] = math.Cos(float64(i * (k + 1)))
		}
	}
	for name, b := range map[string]flow.Batch{"theta.npy": theta, "x.npy": x, "obs.npy": x.Slice(0, 2)} {
		if err := table.WriteNPY(filepath.Join(folder, name), b); err != nil {
			t.Fatal(err)
		}
	}
	file, dir, out := filepath.Join(folder, "run.yaml"), filepath.Join(folder, "run"), filepath.Join(folder, "s.csv")
	text := "data: {path: theta.npy, context_path: x.npy}\n" +
		"net: {residual: {width: 8, blocks: 1, embed: {kind: mlp}}}\ntrain: {steps: 5, batch: 16}\n"
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	if said := succeed(t, "train", file, "--out", dir, "-q"); !strings.Contains(said, "--given test") {
		t.Errorf("the next command does not say what is given: %s", said)
	}
	got := succeedJSON(t, "sample", dir, "--given", filepath.Join(folder, "obs.npy"), "--n", "2", "--out", out, "-q")
	beside := filepath.Join(folder, "s.given.npy")
	if files := fmt.Sprint(got["files"]); files != fmt.Sprintf("[%s %s]", out, beside) {
		t.Errorf("the files are %s", files)
	}
	if w := fmt.Sprint(got["warnings"]); !strings.Contains(w, "the context has 101 numbers, which are in") {
		t.Errorf("warnings %s", w)
	}
	lines, err := os.ReadFile(out)
	if err != nil || !strings.HasPrefix(string(lines), "c0\n") {
		t.Errorf("the samples begin with %.20q (%v)", lines, err)
	}
	one := succeedJSON(t, "logp", dir, "--data", out, "--given", beside, "-q")
	if one["points"] != 4.0 {
		t.Errorf("log-densities of the samples: %v", one)
	}
}
