package cluster

import (
	"os"
	"strconv"
)

// launched says whether a launcher of MPI started this process. Open MPI tells the number of
// processes, those that speak PMI or PMIx the number of this one.
func launched() bool {
	for _, name := range []string{"OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMIX_RANK", "MPI_LOCALNRANKS"} {
		if _, ok := os.LookupEnv(name); ok {
			return true
		}
	}
	return false
}

// several says whether a launcher is known to have started more than one process. What started this one comes
// first: mpirun may itself run in a step of Slurm, whose PMIx says no number.
func several() bool {
	for _, name := range []string{"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS", "SLURM_STEP_NUM_TASKS"} {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
			return n > 1
		}
	}
	return false
}
