package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"flowmatch/run"
)

// root is the folder of the repository.
const root = "../../../.."

// words splits a line as a shell does: quotes, and comments at the end.
func words(line string) ([]string, error) {
	var out []string
	var word strings.Builder
	quote, begun := rune(0), false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == '#' && !begun:
			return out, nil
		case r == ' ' || r == '\t':
			if begun {
				out = append(out, word.String())
				word.Reset()
			}
			begun = false
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote is not closed in %q", line)
	}
	if begun {
		out = append(out, word.String())
	}
	return out, nil
}

// parse checks a command line against the commands, without running it.
func parse(line string) error {
	args, err := words(line)
	if err != nil {
		return err
	}
	if to := slices.Index(args, ">"); to >= 0 { // a shell's
		args = args[:to]
	}
	a := &app{stdout: os.Stdout, stderr: os.Stderr, demo: demoConfig}
	cmd, rest, err := a.root().Find(args)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if help, err := cmd.Flags().GetBool("help"); err == nil && help {
		return nil
	}
	if cmd.HasSubCommands() {
		return fmt.Errorf("%q is no whole command", line)
	}
	for _, check := range []func() error{
		func() error { return cmd.ValidateArgs(cmd.Flags().Args()) }, cmd.ValidateRequiredFlags, cmd.ValidateFlagGroups,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// commandLines returns the flowmatch commands of a text, without the name of
// the program; a backslash at the end of a line continues it.
func commandLines(text string) []string {
	var out []string
	for _, line := range strings.Split(strings.ReplaceAll(text, "\\\n", " "), "\n") {
		line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
		for _, program := range []string{"flowmatch ", "./flowmatch ", "go run ./cmd/flowmatch "} {
			if args, ok := strings.CutPrefix(line, program); ok {
				out = append(out, args)
			}
		}
	}
	return out
}

func TestEveryCommandHasExamplesThatParse(t *testing.T) {
	a := &app{stdout: os.Stdout, stderr: os.Stderr}
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		lines := commandLines(cmd.Example)
		if len(lines) == 0 {
			t.Errorf("%s has no examples", cmd.CommandPath())
		}
		for _, line := range lines {
			if err := parse(line); err != nil {
				t.Errorf("example of %s: flowmatch %s: %v", cmd.CommandPath(), line, err)
			}
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(a.root())
}

func TestTheParserOfExamplesFindsFaults(t *testing.T) {
	for _, line := range []string{"sample DIR --n 3", "trian x.yaml", "train --out x", "eval a b", "demo --fast",
		"plot DIR 'x", "logp DIR", "data"} {
		if parse(line) == nil {
			t.Errorf("flowmatch %s parses, which it must not", line)
		}
	}
}

func TestCommandsOfThePagesParse(t *testing.T) {
	pages := []string{filepath.Join(root, "README.md")}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/guide/*.md", "docs/design/*.md", "docs/results/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	for k, page := range pages {
		lines := commandLines(string(readFile(t, page)))
		if len(lines) == 0 && k == 0 {
			t.Error("README.md shows no command")
		}
		for _, line := range lines {
			if strings.ContainsAny(line, "[|<") { // a synopsis, not a command
				continue
			}
			if err := parse(line); err != nil {
				t.Errorf("%s: flowmatch %s: %v", page, line, err)
			}
		}
	}
}

func TestRunFilesOfTheExamplesAreValid(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "examples", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "demo.yaml") {
		if _, err := run.ReadConfig(file, nil); err != nil {
			t.Error(err)
		}
		text := readFile(t, file)
		for _, line := range commandLines(strings.ReplaceAll(string(text), "# ", "")) {
			if err := parse(line); err != nil {
				t.Errorf("%s: flowmatch %s: %v", file, line, err)
			}
		}
	}
}

func TestTheCommandThatResumesSurvivesTheShell(t *testing.T) {
	f := trainFlags{out: "my runs/it's", backend: "xla:/p q.so", set: []string{"net.hidden=[8, 8]", "train.lr=1e-3"}}
	args, err := words(strings.ReplaceAll(resumeCommand("a b.yaml", f, 1), `'\''`, `'"'"'`))
	want := []string{"flowmatch", "train", "a b.yaml", "--out", "my runs/it's", "--set", "net.hidden=[8, 8]", "--set",
		"train.lr=1e-3", "--backend", "xla:/p q.so", "--resume"}
	if err != nil || strings.Join(args, "|") != strings.Join(want, "|") {
		t.Errorf("got %q (%v), want %q", args, err, want)
	}
}
