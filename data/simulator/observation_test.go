package simulator

import (
	"encoding/base64"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"flowmatch/data/internal/datatest"
	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// write makes a folder of files as sbibm has them.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if strings.HasSuffix(name, ".bz2") {
			b, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			text = string(b)
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Files as bzip2 -9 | base64 writes them: two rows of two columns, and one row of three.
const (
	twoSamples = "QlpoOTFBWSZTWWZ/uKIAABLbgAAQAAdygAAAogJUACAAMUwAE0EqeoGmgyMyo12DBmz6SyncrAQSSQd5JYR8XckU4UJBmf7iiA=="
	wideSample = "QlpoOTFBWSZTWbqAEHwAAAfZAAAQAAdyADgAIAAhoAZCAaaaFnArCN6SnqR4u5IpwoSF1ACD4A=="
)

func TestObservationsAreRead(t *testing.T) {
	const x, theta = "data_1,data_2\n-0.6,0.2\n", "parameter_1,parameter_2\n0.5,0.7\n"
	for _, folder := range []string{"two_moons/num_observation_3/", "two_moons/files/num_observation_3/"} {
		all := map[string]string{folder + "observation.csv": x, folder + "true_parameters.csv": theta,
			folder + "reference_posterior_samples.csv.bz2": twoSamples}
		o, err := ReadObservation(write(t, all), "two_moons", 3)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(o.X, []float64{-0.6, 0.2}) || !slices.Equal(o.Params, []float64{0.5, 0.7}) ||
			!slices.Equal(o.Posterior.X, []float64{0.25, -0.5, 0.125, 0.75}) || o.Posterior.N != 2 {
			t.Errorf("%s: read %v", folder, o)
		}
	}
}

func TestObservationsThatCannotBeReadAreErrors(t *testing.T) {
	const folder = "slcp/num_observation_1/"
	const x = "1,2,3,4,5,6,7,8"
	header := strings.Join(numbered("data_", 8), ",") + "\n"
	read := func(files map[string]string) error {
		_, err := ReadObservation(write(t, files), "slcp", 1)
		return err
	}
	wantError(t, "nothing", read(nil), filepath.Join("slcp", "num_observation_1", "observation.csv"))
	wantError(t, "nothing", read(nil), "the files are those of sbibm/tasks in github.com/sbi-benchmark/sbibm")
	wantError(t, "columns", read(map[string]string{folder + "observation.csv": "a,b\n1,2\n"}),
		"observation.csv has 2 columns; want 8")
	wantError(t, "rows", read(map[string]string{folder + "observation.csv": header + x + "\n" + x + "\n"}),
		"observation.csv has 2 rows; want 1")
	wantError(t, "no number", read(map[string]string{folder + "observation.csv": header + "NaN,2,3,4,5,6,7,8\n"}),
		"observation.csv: line 2, column \"data_1\"")
	wantError(t, "no parameters", read(map[string]string{folder + "observation.csv": header + x + "\n"}),
		"true_parameters.csv")
	wantError(t, "samples", read(map[string]string{folder + "observation.csv": header + x + "\n",
		folder + "true_parameters.csv":                 "a,b,c,d,e\n1,2,3,4,5\n",
		folder + "reference_posterior_samples.csv.bz2": wideSample}), "samples.csv.bz2 has 3 columns; want 5")
	for _, number := range []int{0, 11, -1} {
		_, err := ReadObservation(t.TempDir(), "slcp", number)
		wantError(t, "a number", err, "of slcp; they are numbered 1 to 10")
	}
	_, err := ReadObservation(t.TempDir(), "slpc", 1)
	wantError(t, "a name", err, `unknown simulator "slpc"; did you mean "slcp"?`)
	for task, file := range map[string]string{
		"slcp_distractors":  filepath.Join("slcp", "num_observation_2", "observation_distractors.csv"),
		"bernoulli_glm_raw": filepath.Join("bernoulli_glm", "num_observation_2", "observation_raw.csv"),
	} {
		_, err := ReadObservation(t.TempDir(), task, 2)
		wantError(t, task, err, file)
	}
}

// eachObservation calls fn with all observations of a task, from the folder of data sets
// beside the repository; without it the test is skipped, but not on CI.
func eachObservation(t *testing.T, task string, fn func(t *testing.T, number int, o Observation)) {
	t.Helper()
	dir := filepath.Join(datatest.SharedData(t), "sbibm")
	for number := 1; number <= Observations; number++ {
		o, err := ReadObservation(dir, task, number)
		if err != nil {
			t.Fatal(err)
		}
		if o.Posterior.N != 10000 {
			t.Fatalf("observation %d: %d samples, want 10000", number, o.Posterior.N)
		}
		fn(t, number, o)
	}
}

// Data simulated at samples of the posterior lie around the observation: of a thousand, it is not the
// farthest from their mean, in the measure of their covariance, nor the second.
func TestPosteriorsOfSbibmPredictTheirObservations(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			s := byName(t, name)
			eachObservation(t, name, func(t *testing.T, number int, o Observation) {
				const n = 1000
				if box := s.Prior.Box(); box != nil && !box.Contains(o.Params) {
					t.Errorf("observation %d: θ %v is not of the prior", number, o.Params)
				}
				x := flow.NewBatch(n+1, len(s.Data))
				theta := o.Posterior.Slice(0, n)
				if err := s.Simulate(x.Slice(0, n), theta, seed.Rand(uint64(number), "test", 0)); err != nil {
					t.Fatal(err)
				}
				copy(x.Row(n), o.X)
				rank := distanceRank(t, x)
				t.Logf("observation %d: farther away than %.4f of the others", number, rank)
				if rank > 1-2./n {
					t.Errorf("observation %d: farther away than %.4f of what its posterior predicts", number, rank)
				}
			})
		})
	}
}

// distanceRank returns the share of the rows that are nearer to their mean than the last row.
func distanceRank(t *testing.T, x flow.Batch) float64 {
	t.Helper()
	for i, v := range x.X {
		x.X[i] = math.Asinh(v) // distractors have no variance
	}
	m := mat.NewDense(x.N, x.D, x.X)
	var covariance mat.SymDense
	stat.CovarianceMatrix(&covariance, m.Slice(0, x.N-1, 0, x.D), nil)
	mean := make([]float64, x.D)
	for j := range mean {
		mean[j] = stat.Mean(mat.Col(nil, j, m)[:x.N-1], nil)
		covariance.SetSym(j, j, covariance.At(j, j)*(1+1e-9)+1e-9) // a column may be 0 throughout
	}
	var c mat.Cholesky
	if !c.Factorize(&covariance) {
		t.Fatal("the covariance is not positive definite")
	}
	distance := make([]float64, x.N)
	for i := range distance {
		distance[i] = stat.Mahalanobis(mat.NewVecDense(x.D, x.Row(i)), mat.NewVecDense(x.D, mean), &c)
	}
	last := distance[x.N-1]
	sort.Float64s(distance)
	return float64(sort.SearchFloat64s(distance, last)) / float64(x.N-1)
}

// With θ ~ N(0, 0.1·I) and x ~ N(θ, 0.1·I), p(θ | x) is N(x/2, 0.05·I).
func TestPosteriorOfGaussianLinearIsTheClosedForm(t *testing.T) {
	eachObservation(t, "gaussian_linear", func(t *testing.T, number int, o Observation) {
		checkColumns(t, number, o, func(x float64) (mean, variance float64) { return x / 2, noise / 2 })
	})
}

// With a uniform prior it is N(x, 0.1·I), cut off at −1 and 1.
func TestPosteriorOfGaussianLinearUniformIsTheClosedForm(t *testing.T) {
	eachObservation(t, "gaussian_linear_uniform", func(t *testing.T, number int, o Observation) {
		checkColumns(t, number, o, func(x float64) (mean, variance float64) {
			std := math.Sqrt(noise)
			a, b := (-1-x)/std, (1-x)/std
			law := distuv.UnitNormal
			mass := law.CDF(b) - law.CDF(a)
			shift := (law.Prob(a) - law.Prob(b)) / mass
			return x + std*shift, noise * (1 + (a*law.Prob(a)-b*law.Prob(b))/mass - shift*shift)
		})
	})
}

// checkColumns compares the columns of a reference posterior, which are independent, with
// their mean and variance given the same column of x.
func checkColumns(t *testing.T, number int, o Observation, want func(x float64) (mean, variance float64)) {
	t.Helper()
	got := newMoments(o.Posterior)
	for j, x := range o.X {
		mean, variance := want(x)
		if math.Abs(got.Mean[j]-mean) > 5*got.MeanError[j] {
			t.Errorf("observation %d: mean %d is %.5g, want %.5g ± %.2g",
				number, j+1, got.Mean[j], mean, got.MeanError[j])
		}
		if std := math.Sqrt(variance); math.Abs(got.Std[j]-std) > 5*got.StdError[j] {
			t.Errorf("observation %d: deviation %d is %.5g, want %.5g ± %.2g",
				number, j+1, got.Std[j], std, got.StdError[j])
		}
	}
	for j, r := range got.Next {
		if math.Abs(r) > 5*got.NextError[j] {
			t.Errorf("observation %d: columns %d and %d have the correlation %.3g, want 0", number, j+1, j+2, r)
		}
	}
}
