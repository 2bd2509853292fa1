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

// templateText is the text of the template of tokens.
const templateText = "text.txt"

// keysOf returns the keys of a run file of a space, which is that of tokens or empty.
func keysOf(space string, template bool) []settings.Key {
	if space == "" {
		return keys(template)
	}
	all := run.TokenKeys()
	for i := range all {
		if all[i].Name == "data.path" && template {
			all[i].Default = templateText
		}
	}
	return all
}

// keys returns the keys of a run file of points. data.name has no default but in the template.
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
	var space string
	cmd := &cobra.Command{
		Use:   "config [KEY]",
		Short: "Describe the keys of a run file: type, default, meaning, allowed values",
		Long: `Describe the keys of a run file: type, default, meaning and, for a name, the allowed
values. KEY is a key, or a section with all its keys. Without KEY, all keys are
described.

flowmatch train --set KEY=VALUE uses the same keys. --template writes a run file to
start from, in which every key is set to its default and explained. Keys without a
default are comments. Its data are moons: set data.name, or data.path, to yours.

With --space tokens the keys are those of a run file of sequences of tokens, which begins
with space: tokens.`,
		Example: `  flowmatch config
  flowmatch config train.lr
  flowmatch config net.unet
  flowmatch config eval --json
  flowmatch config --space tokens data
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
			if space != "" && space != run.TokenSpace {
				return nil, usagef("--space %s; it must be %s, or be left out: all other spaces have the same keys",
					choice.Quote(space), run.TokenSpace)
			}
			described, err := settings.Select(keysOf(space, template), append(args, "")[0])
			if err != nil {
				return nil, usageError{err}
			}
			return configResult{described, template}, nil
		}),
	}
	cmd.Flags().StringVar(&space, "space", "", "tokens: the keys of a run file of tokens")
	complete(cmd, "space", run.TokenSpace)
	cmd.Flags().BoolVar(&template, "template", false, "write a commented run file to start from, in YAML")
	return cmd
}
