package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/data/dataset"
)

type dataResult struct {
	Datasets []namedSet `json:"datasets"`
}

type namedSet struct {
	Name   string   `json:"name"`
	Doc    string   `json:"doc"`
	Params []string `json:"params"` // keys of the run file's data section
}

func (d dataResult) text(w io.Writer) {
	for _, s := range d.Datasets {
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, s.Doc, strings.Join(s.Params, " "))
	}
}

func (a *app) dataCommand() *cobra.Command {
	list := &cobra.Command{
		Use:     "list",
		Short:   "List the synthetic sets, the UCI sets and the simulators, with the settings of each",
		Example: "  flowmatch data list\n  flowmatch data list --json",
		Args:    arguments(),
		RunE: a.do(func(*cobra.Command, []string) (result, error) {
			var r dataResult
			for _, info := range dataset.Catalog() {
				r.Datasets = append(r.Datasets, namedSet{info.Name, info.Doc, append([]string{}, info.Params...)})
			}
			return r, nil
		}),
	}
	cmd := &cobra.Command{
		Use:     "data",
		Short:   "List data sets, and describe tables",
		Example: "  flowmatch data list\n  flowmatch data describe people.csv",
		Args:    cobra.ArbitraryArgs,
		RunE:    oneOf,
	}
	cmd.AddCommand(list, a.describeCommand())
	return cmd
}
