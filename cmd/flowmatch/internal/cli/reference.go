package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/internal/settings"
	"flowmatch/run"
)

// Page is a page of docs/reference.
type Page struct {
	Name string // of the file
	Text string // Markdown
}

// generated heads the pages that this program writes.
const generated = "<!-- Written by: go generate ./cmd/flowmatch -->\n\n"

// Reference returns the pages of docs/reference: the keys of a run file, and the help of
// every command. They are the same on every machine.
func Reference() []Page {
	return []Page{
		{"README.md", generated + `# Reference

These pages are generated from the program itself.

- [run-file.md](run-file.md): every key of a run file, as ` + "`flowmatch config`" + ` describes it.
- [commands.md](commands.md): the help of every command.
`},
		{"run-file.md", generated + runFilePage()},
		{"commands.md", generated + commandsPage()},
	}
}

func runFilePage() string {
	return `# The run file

A run file is YAML and has all settings of a run: ` + "`flowmatch train run.yaml --out DIR`" + `. Every key
may be left out; it then has the default in the table. Elsewhere a key of a section is written
with a dot, as in ` + "`--set train.lr=3e-4`" + `. In a terminal ` + "`flowmatch config KEY`" + ` describes a key,
and ` + "`flowmatch config --template`" + ` writes a run file to start from.

An unknown key, a value of the wrong type, a zero without a meaning and a key without an effect
are errors. They name the line and what would be right. A key may always be written with its
default. 0 means never for the keys that end in ` + "`_every`" + `. [Terms](../guide/terms.md) explains
the words.

` + settings.Markdown(keys(false)) + `
# A run file of tokens

A run file with ` + "`space: tokens`" + ` is of sequences of [tokens](../guide/tokens.md), and has these keys.
` + "`flowmatch config --space tokens`" + ` describes them.

` + settings.Markdown(keysOf(run.TokenSpace, false))
}

func commandsPage() string {
	var b strings.Builder
	b.WriteString(`# The commands

Results go to standard output, as text or (` + "`--json`" + `) as one JSON object; progress and errors go to
standard error. The exit code is 0 for success, 2 for a wrong command line or a wrong file on it,
and 1 for a failure of the work. After a signal it is 128 and the number of the signal.

| command | |
| --- | --- |
`)
	all := commands()
	for _, c := range all {
		fmt.Fprintf(&b, "| [%s](#%s) | %s |\n", c.CommandPath(), strings.ReplaceAll(c.CommandPath(), " ", "-"), c.Short)
	}
	for _, c := range all {
		fmt.Fprintf(&b, "\n## %s\n\n```text\n%s\n```\n", c.CommandPath(), strings.TrimRight(help(c), "\n"))
	}
	return b.String()
}

// commands returns every command with a help of its own, each before those below it.
func commands() []*cobra.Command {
	root := (&app{}).root()
	root.InitDefaultCompletionCmd()
	var out []*cobra.Command
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		out = append(out, c)
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				visit(sub)
			}
		}
	}
	visit(root)
	return out
}

// help returns what a command writes when it is called with --help.
func help(c *cobra.Command) string {
	var stdout, stderr bytes.Buffer
	args := append(strings.Fields(c.CommandPath())[1:], "--help")
	execute(context.Background(), args, &stdout, &stderr)
	return stdout.String()
}
