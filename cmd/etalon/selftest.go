package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/etalon-kv/etalon/bench/selftest"
)

// errSelftest is returned when the harness cannot be believed on this machine.
var errSelftest = errors.New("the harness did not prove itself: do not believe figures from this machine as it is now")

func selftestCommand(tty terminal) *cobra.Command {
	var skipTimed bool
	cmd := &cobra.Command{
		Use: "selftest", Short: "Let the harness prove itself before anyone believes it", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			verdicts, err := selftest.Run(cmd.Context(), selftest.Options{
				SkipTimed: skipTimed,
				Progress:  func(done, total int, name string) { fmt.Fprintf(tty.err, "[%d/%d] %s\n", done+1, total, name) },
			})
			if err != nil {
				return err
			}
			failed := 0
			for _, v := range verdicts {
				word := "ok  "
				if !v.OK {
					word = "FAIL"
					failed++
				}
				fmt.Fprintf(tty.out, "%s  %-32s  %s\n", word, v.Name, v.Detail)
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d checks: %w", failed, len(verdicts), errSelftest)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&skipTimed, "skip-timed", false, "leave out the checks that need a machine with nothing else to do")
	return cmd
}
