// Package clustertest runs tests in several ranks.
package clustertest

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"flowmatch/cluster"
)

// inRanks is set in the environment of the ranks.
const inRanks = "FLOWMATCH_TEST_RANKS"

// In runs the whole test that calls it in n ranks of MPI, as processes of this machine, and
// returns their Comm there. In the process that starts them it returns nil when they are done,
// and the test must return; it fails where it failed on a rank. Where this test was built without the
// tag mpi, or no mpirun is there, the test is skipped.
func In(t *testing.T, n int) *cluster.Comm {
	t.Helper()
	if os.Getenv(inRanks) != "" {
		c, err := cluster.Open()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if t.Failed() {
				c.Abort(1) // the others may wait for this rank
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
		return c
	}
	args := append([]string{"-np", strconv.Itoa(n), os.Args[0]},
		"-test.run", "^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v", "-test.count", "1")
	out, err := Start(t, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("in %d ranks: %v\n%s", n, err, out)
	}
	return nil
}

// Start returns the command that starts ranks with those arguments of mpirun, one thread a rank.
// It is killed after two minutes.
func Start(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	if !cluster.WithMPI {
		t.Skip("this test runs in ranks of MPI: go test -tags mpi, after scripts/setup-mpi.sh")
	}
	mpirun, err := exec.LookPath("mpirun")
	if err != nil {
		t.Skipf("this test runs in ranks of MPI: %v; scripts/setup-mpi.sh installs it", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, mpirun, args...)
	cmd.Env = append(os.Environ(), inRanks+"=1", "GOMAXPROCS=1", "OMPI_ALLOW_RUN_AS_ROOT=1",
		"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", "OMPI_MCA_rmaps_base_oversubscribe=1",
		"OMPI_MCA_hwloc_base_binding_policy=none", "OMPI_MCA_mpi_yield_when_idle=1")
	return cmd
}
