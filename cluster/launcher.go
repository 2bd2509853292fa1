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

// several says whether a launcher is known to have started more than one process.
func several() bool {
	for _, name := range []string{"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS"} {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 1 {
			return true
		}
	}
	return false
}
