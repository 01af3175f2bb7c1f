// Command etalon compares the parts of a replicated key-value store under real load: storage
// engines first of all. See the README for a tour, docs/methodology.md for what the figures mean.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etalon-kv/etalon/internal/nearest"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1 // something failed, or a gate was missed
	exitUsage  = 2 // the command line was wrong
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := etalon(ctx, os.Args[1:], terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// terminal is where a command reads and writes.
type terminal struct {
	in       io.Reader
	out, err io.Writer
}

// usageError is a mistake in the command line: exit status 2.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// etalon runs one command line and returns its exit status.
func etalon(ctx context.Context, args []string, tty terminal) int {
	root := &cobra.Command{
		Use:           "etalon",
		Short:         "Compare storage engines and other parts of a key-value store under honest load",
		Long:          "Etalon measures what a key-value store gains or loses when one part of it is swapped.\n\nStart with: etalon run",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetArgs(args)
	root.SetIn(tty.in)
	root.SetOut(tty.out)
	root.SetErr(tty.err)
	root.SetFlagErrorFunc(wrongFlag)
	root.AddCommand(
		runCommand(tty), benchCommand(tty), reportCommand(tty), plotCommand(tty), compareCommand(tty),
		exportCommand(tty), listCommand(tty), selftestCommand(tty), versionCommand(tty), measureCommand(tty), serveCommand(tty), clusterCommand(tty), snapshotCommand(tty),
	)
	addCompletions(root)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var usage usageError
	switch {
	case errors.As(err, &usage):
		fmt.Fprintf(tty.err, "etalon: %v\nSee 'etalon --help'.\n", err)
		return exitUsage
	case ctx.Err() != nil:
		fmt.Fprintf(tty.err, "etalon: stopped: %v\n", err)
		return exitFailed
	default:
		fmt.Fprintf(tty.err, "etalon: %v\n", err)
		return exitFailed
	}
}

// noArgs refuses arguments; an unknown word after etalon is answered with the nearest command.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasSubCommands() {
		var names []string
		for _, c := range cmd.Commands() {
			if !c.Hidden {
				names = append(names, c.Name())
			}
		}
		return usageError{unknownWord("command", args[0], names)}
	}
	return usagef("%s takes no arguments, got %q", cmd.CommandPath(), args[0])
}

// wrongFlag answers a flag that there is not with the nearest, and a value that cannot be read with what
// the flag takes.
func wrongFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var value *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		given, didYouMean := unknown.GetSpecifiedName(), ""
		if near := nearest.Word(given, names); near != "" {
			didYouMean = ", did you mean --" + near + "?"
		}
		return usagef("unknown flag --%s%s accepted: those of '%s --help'", given, cmp.Or(didYouMean, ","), cmd.CommandPath())
	case errors.As(err, &value):
		f := value.GetFlag()
		accepted, known := map[string]string{
			"int": "a whole number", "uint64": "a whole number from 0", "duration": "a duration such as 500ms, 10s, 2m", "bool": "true or false",
		}[f.Value.Type()]
		if known {
			return usagef("--%s %q, accepted: %s", f.Name, value.GetValue(), accepted)
		}
	}
	return usageError{err}
}

// atLeastOne wants one or more arguments called what.
func atLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("%s needs %s", cmd.CommandPath(), what)
		}
		return nil
	}
}
