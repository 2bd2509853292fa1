//go:build !mpi

package cluster

// WithMPI says whether this binary was built with MPI.
const WithMPI = false

// start is that of one process.
func start() (rank, size int, err error) {
	if several() {
		return 0, 0, ErrNoMPI
	}
	return 0, 1, nil
}

// One process never comes to the rest.

func sum[T float32 | float64](_, _ int, _ []T) (sent int64, err error) { return 0, ErrNoMPI }

func beginSum[T float32 | float64](_, _ int, _ []T) (end func() (sent int64, seconds float64, err error)) {
	return func() (int64, float64, error) { return 0, 0, ErrNoMPI }
}

func broadcast([]byte, int) error { return ErrNoMPI }

func gather([]float64, int) error { return ErrNoMPI }

func finalize() error { return ErrNoMPI }

func abort(int) {}

func bytesOf[T byte | float32 | float64]([]T) []byte { return nil }
