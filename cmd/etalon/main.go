// Command etalon compares the parts of a replicated key-value store under real load: storage
// engines first of all. See the README for a tour, docs/methodology.md for what the figures mean.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
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
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
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

// atLeastOne wants one or more arguments called what.
func atLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("%s needs %s", cmd.CommandPath(), what)
		}
		return nil
	}
}
