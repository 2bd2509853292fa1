package cluster

// Launched says whether a launcher started the process.
func Launched() bool { return launched() }

// Start starts the ranks, or says why it cannot.
func Start() error {
	_, _, err := start()
	return err
}
