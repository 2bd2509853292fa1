package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// Completions of a shell, of what does not depend on a run. Files come from the shell.

// complete offers names as the values of a flag, which may be a list of them.
func complete(cmd *cobra.Command, flag string, names ...string) {
	must(cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp)))
}

// completeFiles offers files with these endings as the value of a flag.
func completeFiles(cmd *cobra.Command, flag string, endings ...string) {
	must(cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(endings, cobra.ShellCompDirectiveFilterFileExt)))
}

// completeSettings offers the keys of a run file, and after "key=" what the key may be, as
// the value of --set.
func completeSettings(cmd *cobra.Command) {
	must(cmd.RegisterFlagCompletionFunc("set", settingsOf))
}

func settingsOf(_ *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	key, _, value := strings.Cut(toComplete, "=")
	var out []string
	for _, k := range keys(false) {
		switch {
		case k.Section() || strings.Contains(k.Name, "[]"):
		case !value:
			out = append(out, k.Name+"=")
		case k.Name == key:
			for _, a := range k.Allowed {
				out = append(out, key+"="+a)
			}
		}
	}
	if value {
		return out, cobra.ShellCompDirectiveDefault // a value may be a file
	}
	return out, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// argument completes the first argument and offers nothing for those after it.
type argument = func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective)

func first(names []string, directive cobra.ShellCompDirective) argument {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return slices.Clone(names), directive
	}
}

// folderArgument offers folders: those of runs.
func folderArgument() argument { return first(nil, cobra.ShellCompDirectiveFilterDirs) }

// yamlArgument offers YAML files.
func yamlArgument() argument {
	return first([]string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt)
}

// nameArgument offers names and, where they may be files as well, these.
func nameArgument(names []string, files bool) argument {
	if files {
		return first(names, cobra.ShellCompDirectiveDefault)
	}
	return first(names, cobra.ShellCompDirectiveNoFileComp)
}

// keyArgument offers the keys of a run file.
func keyArgument() argument {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, k := range keys(false) {
			names = append(names, k.Name)
		}
		return nameArgument(names, false)(cmd, args, toComplete)
	}
}
