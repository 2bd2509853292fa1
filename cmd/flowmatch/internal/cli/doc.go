// Package cli is the command line of flowmatch: the tree of commands, their help, and
// what each of them does.
//
// There are only a few types: [app] is one invocation, each subcommand is one file with a
// constructor and a result, and a result can write itself as text or as JSON. [Main] runs
// the program; [Reference] returns the pages that describe it.
//
// # Caveats
//
// Results go to standard output, everything else to standard error. The exit code is 2
// when the command line, or a file that it names, cannot be meant, and 1 when the work
// failed. Errors of the library know nothing of flags: what flag would help is said here.
package cli
