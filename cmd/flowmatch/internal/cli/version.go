package cli

import (
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"flowmatch/run"
)

type versionResult struct {
	Flowmatch string `json:"flowmatch"`
	Go        string `json:"go"`
	Platform  string `json:"platform"`
}

func (v versionResult) text(w io.Writer) {
	fmt.Fprintf(w, "flowmatch %s\n%s %s\n", v.Flowmatch, v.Go, v.Platform)
}

func thisVersion() versionResult {
	return versionResult{run.Version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of the program",
		Example: "  flowmatch version\n  flowmatch version --json",
		Args:    arguments(),
		RunE: a.do(func(*cobra.Command, []string) (result, error) {
			return thisVersion(), nil
		}),
	}
}
