package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"flowmatch/internal/choice"
	"flowmatch/internal/settings"
	"flowmatch/run"
)

type configResult struct {
	Keys []settings.Key `json:"keys"`

	template bool
}

func (c configResult) text(w io.Writer) {
	if c.template {
		fmt.Fprint(w, settings.Template(c.Keys))
		return
	}
	fmt.Fprint(w, settings.Text(c.Keys))
}

// templateData is the data set of the template: a run file must name one.
const templateData = "moons"

// keys returns the keys of a run file. data.name has no default but in the template.
func keys(template bool) []settings.Key {
	all := run.Keys()
	for i := range all {
		if all[i].Name != "data.name" {
			continue
		}
		if all[i].Default = ""; template {
			all[i].Default = templateData
		}
	}
	return all
}

func (a *app) configCommand() *cobra.Command {
	var template bool
	cmd := &cobra.Command{
		Use:   "config [KEY]",
		Short: "Describe the keys of a run file: type, default, meaning, allowed values",
		Long: `Describe the keys of a run file: type, default, meaning and, for a name, the allowed
values. KEY is a key, or a section with all its keys. Without KEY, all keys are
described.

flowmatch train --set KEY=VALUE uses the same keys. --template writes a run file to
start from, in which every key is set to its default and explained. Keys without a
default are comments. Its data are moons: set data.name, or data.path, to yours.`,
		Example: `  flowmatch config
  flowmatch config train.lr
  flowmatch config net.unet
  flowmatch config eval --json
  flowmatch config --template > run.yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("unexpected argument %s", choice.Quote(args[1]))
			}
			return nil
		},
		ValidArgsFunction: keyArgument(),
		RunE: a.do(func(_ *cobra.Command, args []string) (result, error) {
			if template && (a.json || len(args) > 0) {
				return nil, usagef("--template writes a whole run file; leave out KEY and --json")
			}
			described, err := settings.Select(keys(template), append(args, "")[0])
			if err != nil {
				return nil, usageError{err}
			}
			return configResult{described, template}, nil
		}),
	}
	cmd.Flags().BoolVar(&template, "template", false, "write a commented run file to start from, in YAML")
	return cmd
}
