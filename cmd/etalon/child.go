package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Every run is measured in a process of its own: a heap, a garbage collector and a peak of
// resident memory that no earlier run has touched, and an engine that crashes takes one run with
// it instead of the suite. Parent and child speak JSON: a job on the child's standard input, a
// result on its standard output. The parent keeps the input open; when it ends, the child stops.

// maxResultBytes bounds what the parent reads of a child's result.
const maxResultBytes = 64 << 20

// childGrace is how long a child that was told to stop may take to do so.
const childGrace = 5 * time.Second

// runChild carries out j in a child process.
func runChild(ctx context.Context, j job) (jobResult, error) {
	var result jobResult
	output, err := runMeasure(ctx, j)
	if err != nil {
		return result, err
	}
	if err := json.Unmarshal(output, &result); err != nil {
		return result, fmt.Errorf("result of the measuring process: %w", err)
	}
	if result.Failure != nil {
		return result, result.Failure
	}
	return result, nil
}

// runMeasure starts this program as a measuring process and returns what it answers.
func runMeasure(ctx context.Context, j job) ([]byte, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	input, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "measure")
	cmd.SysProcAttr = ownProcessGroup() // Ctrl-C reaches the parent alone, which then tells the child
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	cmd.Cancel = stdin.Close
	cmd.WaitDelay = childGrace
	stdout := &limitedBuffer{limit: maxResultBytes}
	stderr := &tailBuffer{limit: 4 << 10}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the measuring process: %w", err)
	}
	_, writeErr := stdin.Write(append(input, '\n'))
	waitErr := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case stdout.cut:
		return nil, fmt.Errorf("the measuring process wrote more than %d bytes", maxResultBytes)
	case waitErr != nil:
		return nil, fmt.Errorf("measuring process: %w%s", waitErr, stderr.quoted())
	case writeErr != nil:
		return nil, fmt.Errorf("send job: %w", writeErr)
	}
	return stdout.Bytes(), nil
}

// measureCommand is the child's side; it is not for users.
func measureCommand(tty terminal) *cobra.Command {
	return &cobra.Command{
		Use: "measure", Hidden: true, Args: noArgs,
		Short: "carry out one run described on standard input (used by run and bench)",
		RunE: func(cmd *cobra.Command, _ []string) error {
			decoder := json.NewDecoder(tty.in)
			var j job
			if err := decoder.Decode(&j); err != nil {
				return fmt.Errorf("read job: %w", err)
			}
			ctx, stop := context.WithCancel(cmd.Context())
			defer stop()
			go func() { // ends with the process: a read cannot be interrupted
				_, _ = io.Copy(io.Discard, tty.in)
				stop()
			}()
			return json.NewEncoder(tty.out).Encode(j.do(ctx))
		},
	}
}

// limitedBuffer keeps at most limit bytes and remembers if there were more.
type limitedBuffer struct {
	bytes.Buffer
	limit int
	cut   bool
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.limit {
		b.cut = true
		return 0, errors.New("too much output")
	}
	return b.Buffer.Write(p)
}

// tailBuffer keeps the last limit bytes written to it.
type tailBuffer struct {
	tail  []byte
	limit int
}

func (b *tailBuffer) Write(p []byte) (int, error) {
	b.tail = append(b.tail, p...)
	if extra := len(b.tail) - b.limit; extra > 0 {
		b.tail = append(b.tail[:0], b.tail[extra:]...)
	}
	return len(p), nil
}

// quoted is the tail for an error message, empty if there is none.
func (b *tailBuffer) quoted() string {
	text := strings.TrimSpace(string(b.tail))
	if text == "" {
		return ""
	}
	return ": " + text
}
