// Command flowmatch trains flows by Flow Matching, samples from them and evaluates their
// likelihoods. All of it is in package cli; the pages in docs/reference are made from its
// commands and their help, and from the keys of a run file.
package main

import (
	"os"

	"flowmatch/cmd/flowmatch/internal/cli"
)

//go:generate go run ./internal/reference ../../docs/reference

func main() { os.Exit(cli.Main()) }
