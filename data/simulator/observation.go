package simulator

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"flowmatch/data/table"
	"flowmatch/flow"
)

// Observations is the number of observations of each task of [Names].
const Observations = 10

// Observation is an x whose posterior is known.
type Observation struct {
	X         []float64  // the data, [len(Data)]
	Params    []float64  // the θ of the simulation that X comes from, [len(Params)]
	Posterior flow.Batch // samples of p(θ | X), [10000, len(Params)]
}

// ReadObservation reads observation number 1 to 10 of a task of [Names] from a folder of
// sbibm's files: sbibm/tasks of the Python package or of github.com/sbi-benchmark/sbibm, or
// one that has only what is in its folders called files:
//
//	TASK/num_observation_1/observation.csv
//	TASK/num_observation_1/true_parameters.csv
//	TASK/num_observation_1/reference_posterior_samples.csv.bz2
//
// slcp_distractors and bernoulli_glm_raw have no folder, and the posteriors of slcp and
// bernoulli_glm: distractors say nothing of θ, and bernoulli_glm's statistics say all that the
// raw data do. So they are read from those folders, where their data are
// observation_distractors.csv and observation_raw.csv. An error names the file.
func ReadObservation(dir, task string, number int) (Observation, error) {
	e, err := lookUp(task)
	if err != nil {
		return Observation{}, err
	}
	if number < 1 || number > Observations {
		return Observation{}, fmt.Errorf("simulator: observation %d of %s; they are numbered 1 to %d",
			number, task, Observations)
	}
	s := e.build()
	folder := filepath.Join(dir, e.folder)
	if inner := filepath.Join(folder, "files"); isFolder(inner) {
		folder = inner
	}
	folder = filepath.Join(folder, fmt.Sprintf("num_observation_%d", number))
	var o Observation
	var x, params flow.Batch
	for _, part := range []struct {
		into *flow.Batch
		file string
		d    int
		rows int // 0: any number
	}{
		{&x, e.file, len(s.Data), 1},
		{&params, "true_parameters.csv", len(s.Params), 1},
		{&o.Posterior, "reference_posterior_samples.csv.bz2", len(s.Params), 0},
	} {
		if *part.into, err = readNumbers(filepath.Join(folder, part.file), part.d, part.rows); err != nil {
			return Observation{}, fmt.Errorf("simulator: observation %d of %s: %w", number, task, err)
		}
	}
	o.X, o.Params = x.X, params.X
	return o, nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// readNumbers reads a table with a header, of d columns and, unless it is 0, as many rows.
func readNumbers(path string, d, rows int) (flow.Batch, error) {
	header := true
	t, err := table.Read(path, table.Options{Header: &header})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return flow.Batch{}, fmt.Errorf("%w; the files are those of sbibm/tasks in github.com/sbi-benchmark/sbibm", err)
	case err != nil:
		return flow.Batch{}, err
	case t.X.D != d:
		return flow.Batch{}, fmt.Errorf("%s has %d columns; want %d", path, t.X.D, d)
	case rows != 0 && t.X.N != rows:
		return flow.Batch{}, fmt.Errorf("%s has %d rows; want %d", path, t.X.N, rows)
	}
	return t.X, nil
}
