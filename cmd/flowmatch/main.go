// Command flowmatch trains flows by Flow Matching, samples from them and
// evaluates their likelihoods.
//
// There are only a few types: [app] is one invocation, each subcommand is one
// file with a constructor and a result, and a result can tell itself as text or
// as JSON.
//
// # Caveats
//
// Results go to standard output, everything else to standard error. The exit
// code is 2 when the command line or a file it names cannot be meant, 1 when
// the work failed.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal asks; a second one kills
	os.Exit(execute(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
