package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"flowmatch/cluster"
	"flowmatch/internal/choice"
	"flowmatch/internal/memory"
	"flowmatch/run"
	"flowmatch/train"
)

// The exit codes.
const (
	exitFailure = 1
	exitUsage   = 2
)

// app is one invocation of the program.
type app struct {
	stdout, stderr io.Writer
	json, quiet    bool
	args           []string // the command line
	running        bool     // the command line was understood
	demo           []byte   // the run file of the demo
	demoText       []byte   // that of the demo of text; nil: the usual one
	demoSphere     []byte   // that of the demo of the sphere; nil: the usual one
	bar            *progress
	leave          leaving
	ranks          *cluster.Comm // nil: one process
	endTogether    atomic.Bool   // all ranks know why they end
}

// result is what a command reports; its exported fields are the JSON object.
type result interface{ text(w io.Writer) }

// execute runs the program and returns its exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{stdout: stdout, stderr: stderr, demo: demoConfig}
	return a.execute(ctx, args)
}

func (a *app) execute(ctx context.Context, args []string) int {
	a.args = args
	root := a.root()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" { // which shows its help, whatever it is given
			cmd.Args, cmd.RunE = cobra.ArbitraryArgs, oneOf
		}
	}
	root.SetArgs(append([]string{}, args...)) // nil would mean os.Args
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	a.json = a.json || slices.Contains(args, "--json") // which a wrong flag before it keeps from being read
	return a.fail(ctx, cmd, err)
}

func (a *app) fail(ctx context.Context, cmd *cobra.Command, err error) int {
	code := exitFailure
	// What does not fit here fits elsewhere: nothing is wrong with how it was asked for.
	if isUsage := errors.As(err, new(usageError)); (isUsage || !a.running) && !errors.Is(err, memory.ErrTooLarge) {
		code = exitUsage
	}
	switch interrupted := errors.Is(err, train.ErrInterrupted); {
	case ctx.Err() != nil:
		code = interruptedBy(ctx)
		if !interrupted {
			err = fmt.Errorf("interrupted: %w", err)
		}
	case interrupted && a.ranks.Size() > 1:
		code = terminated
	}
	if err = a.failing(ctx, err); err == nil {
		return code
	}
	a.settle()
	text := choice.Spoken(err)
	fmt.Fprintf(a.stderr, "%s: %s\n", cmd.CommandPath(), plain(text))
	if code == exitUsage {
		fmt.Fprintf(a.stderr, "See %s --help.\n", cmd.CommandPath())
	}
	if a.json && !errors.As(err, new(partial)) { // then the object is the result's
		_ = a.writeJSON(map[string]any{"error": text, "code": code}) // standard error has it already
	}
	return code
}

// usageError is an error of the one who typed the command.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// partial is an error beside which there is a result to report.
type partial struct{ error }

func (e partial) Unwrap() error { return e.error }

// asUsage marks err as a usage error when it is one of those given.
func asUsage(err error, targets ...error) error {
	for _, t := range targets {
		if errors.Is(err, t) {
			return usageError{err}
		}
	}
	return err
}

// advise adds what to do on the command line to an error that is target, which is then a
// usage error.
func advise(err, target error, advice string) error {
	if !errors.Is(err, target) {
		return err
	}
	return usagef("%w: %s", err, advice)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "flowmatch",
		Short: "Flow Matching: train flows, sample from them, evaluate their likelihoods",
		Long: `flowmatch trains continuous normalizing flows by Flow Matching (arXiv 2210.02747),
samples from them by solving the learnt ODE, and computes exact likelihoods.`,
		Example: `  flowmatch demo
  flowmatch train run.yaml --out runs/first
  flowmatch sample runs/first --n 1000 --out samples.csv
  flowmatch eval runs/first`,
		Version:       run.Version(),
		SilenceErrors: true, SilenceUsage: true,
		SuggestionsMinimumDistance: 2,
		Args:                       cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %s%s", choice.Quote(args[0]), suggestion(cmd, args[0]))
			}
			cmd.SetOut(a.stderr)
			_ = cmd.Help() // nothing can be done about a broken standard error
			return usagef("a command is missing")
		},
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print the result as one JSON object")
	root.PersistentFlags().BoolVarP(&a.quiet, "quiet", "q", false, "no progress on standard error")
	root.AddCommand(
		a.demoCommand(), a.trainCommand(), a.classifierCommand(), a.sampleCommand(), a.imputeCommand(),
		a.logpCommand(), a.evalCommand(), a.compareCommand(), a.importCommand(), a.exportCommand(), a.plotCommand(),
		a.experimentCommand(), a.benchCommand(), a.serveCommand(), a.dataCommand(), a.configCommand(),
		a.doctorCommand(), a.versionCommand(),
	)
	root.SetHelpCommand(helpCommand())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	return root
}

// flagError says of a value that a flag does not take what it takes; pflag quotes the functions of strconv.
func flagError(err error) error {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return usageError{err}
	}
	want := map[string]string{
		"int": "a whole number", "int64": "a whole number", "uint64": "a whole number from 0", "float64": "a number",
		"float64Slice": "numbers with commas between them", "bool": "true or false", "duration": "a time such as 1m30s",
	}[bad.GetFlag().Value.Type()]
	if want == "" {
		return usageError{err}
	}
	return usagef("--%s %s: want %s", bad.GetFlag().Name, choice.Quote(bad.GetValue()), want)
}

// helpCommand shows the help of a command that there is.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Help about any command",
		Args:  cobra.ArbitraryArgs,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			of, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return names(of), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			of, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				name := strings.Join(args, " ")
				return usagef("unknown command %s%s", choice.Quote(name), suggestion(cmd.Root(), name))
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
}

// names are those of the commands below one.
func names(of *cobra.Command) (all []string) {
	for _, cmd := range of.Commands() {
		if cmd.IsAvailableCommand() {
			all = append(all, cmd.Name())
		}
	}
	return all
}

// oneOf is the RunE of a command that is there for those below it.
func oneOf(cmd *cobra.Command, args []string) error {
	want := strings.Join(names(cmd), ", ")
	if len(args) > 0 {
		return usagef("unknown command %s; it must be one of %s", choice.Quote(args[0]), want)
	}
	return usagef("a command is missing; it must be one of %s", want)
}

func suggestion(cmd *cobra.Command, name string) string {
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		return fmt.Sprintf("; did you mean %q?", near[0])
	}
	return ""
}

// do makes a command's RunE of a function that returns its result.
func (a *app) do(f func(cmd *cobra.Command, args []string) (result, error)) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.running, a.quiet = true, a.quiet || a.follows()
		if err := cmp.Or(givenValues(cmd), a.checkRanks(cmd)); err != nil {
			return err
		}
		r, err := f(cmd, args)
		if err != nil && !errors.As(err, new(partial)) {
			return err
		}
		return errors.Join(err, a.write(r))
	}
}

// givenValues reports flags that are given as what stands for their default: text that is empty,
// as "$OUT" is where OUT is not set, and no time.
func givenValues(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		kind, v := f.Value.Type(), f.Value.String()
		switch {
		case err != nil:
		case kind == "string" && v == "":
			err = usagef("--%s is empty; give it a value, or leave it out", f.Name)
		case f.Name == "drain-delay" && v == "0s": // no delay
		case kind == "duration" && (v == "0s" || strings.HasPrefix(v, "-")):
			err = usagef("--%s is %s; it must be positive", f.Name, v)
		}
	})
	return err
}

func (a *app) write(r result) error {
	a.settle()
	if a.json {
		return a.writeJSON(r)
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	r.text(w)
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(a.stdout, plain(text.String()))
	return err
}

func (a *app) writeJSON(v any) error {
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(a.stdout, plain(text.String())) // whose escapes are those of JSON
	return err
}

// status says what is being done.
func (a *app) status(format string, args ...any) {
	a.settle()
	if !a.quiet {
		fmt.Fprintln(a.stderr, plain(fmt.Sprintf(format, args...)))
	}
}

// arguments returns a check that exactly the named arguments are given.
func arguments(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usagef("argument %s is missing", names[len(args)])
		case len(args) > len(names):
			return usagef("unexpected argument %s", choice.Quote(args[len(names)]))
		}
		return nil
	}
}

// require marks flags without which a command makes no sense.
func require(cmd *cobra.Command, flags ...string) {
	for _, f := range flags {
		must(cmd.MarkFlagRequired(f))
	}
}

// must reports a fault of this program: a flag that a command does not have.
func must(err error) {
	if err != nil {
		panic("flowmatch: " + err.Error())
	}
}
