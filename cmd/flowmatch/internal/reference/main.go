// Command reference writes the pages of docs/reference into a folder:
//
//	go run ./cmd/flowmatch/internal/reference docs/reference
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"flowmatch/cmd/flowmatch/internal/cli"
	"flowmatch/internal/atomicfile"
)

func main() {
	if err := write(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

func write(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%d arguments; it takes one, the folder to write to", len(args))
	}
	if err := os.MkdirAll(args[0], 0o777); err != nil {
		return err
	}
	for _, p := range cli.Reference() {
		if err := atomicfile.WriteBytes(filepath.Join(args[0], p.Name), []byte(p.Text)); err != nil {
			return err
		}
	}
	return nil
}
