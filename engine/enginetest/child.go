package enginetest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A child is the test binary started again. These tell it what it is.
const (
	envRole = "ETALON_ENGINETEST_ROLE"
	envTest = "ETALON_ENGINETEST_TEST" // the name of the test that called Run
	envDir  = "ETALON_ENGINETEST_DIR"
)

// role is what a child does. It reports lines to its parent, and ends by returning.
type role func(t *testing.T, h Harness, dir string, report func(format string, args ...any))

func roles() map[string]role {
	return map[string]role{
		"open":  childOpen,
		"first": childFirst,
		"write": childWrite,
		"fault": childFault,
		"full":  childFull,
	}
}

// isChild tells whether this process is a child, and has it do its work if this is its test.
func isChild(t *testing.T, h Harness) bool {
	name := os.Getenv(envRole)
	if name == "" {
		return false
	}
	if os.Getenv(envTest) != t.Name() {
		return true
	}
	pipe := os.NewFile(3, "report")
	roles()[name](t, h, os.Getenv(envDir), func(format string, args ...any) {
		if _, err := fmt.Fprintf(pipe, format+"\n", args...); err != nil {
			t.Fatalf("report: %v", err)
		}
	})
	if !t.Failed() {
		os.Exit(0) // past TestMain: an engine that could not open may leave goroutines behind
	}
	return true
}

// child is a running child as its parent sees it.
type child struct {
	cmd     *exec.Cmd
	wrapped bool
	reports chan string // closed when the child has ended
	stdin   io.Closer
	output  strings.Builder
	err     error // of Wait, set when reports is closed
}

// startChild starts the test that called Run again, in role. wrap, if any, is the command line of
// a program that runs it. The child is killed and waited for at the end of the test at latest.
func startChild(t *testing.T, role, dir string, wrap ...string) *child {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	test := runName(t)
	parts := strings.Split(test, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	args := append(wrap, self, "-test.run="+strings.Join(parts, "/"), "-test.count=1", "-test.timeout=5m")
	c := &child{cmd: exec.Command(args[0], args[1:]...), wrapped: len(wrap) > 0, reports: make(chan string, 1<<16)}
	c.cmd.Env = append(os.Environ(), envRole+"="+role, envTest+"="+test, envDir+"="+dir, "GOMAXPROCS=2", "GOTRACEBACK=single")
	if c.wrapped {
		c.cmd.Env = append(c.cmd.Env, "GOMAXPROCS=1") // strace counts by thread
	}
	c.cmd.Stdout, c.cmd.Stderr = &c.output, &c.output
	c.stdin, err = c.cmd.StdinPipe()
	must(t, err)
	r, w, err := os.Pipe()
	must(t, err)
	c.cmd.ExtraFiles = []*os.File{w}
	err = c.cmd.Start()
	w.Close()
	must(t, err)
	go func() {
		defer r.Close()
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			c.reports <- lines.Text()
		}
		c.err = c.cmd.Wait()
		close(c.reports)
	}()
	t.Cleanup(func() { c.kill() })
	return c
}

// runName returns the name of the test that called Run: without the group and what is below it.
func runName(t *testing.T) string {
	name := t.Name()
	for _, g := range groups() {
		if before, _, found := strings.Cut(name, "/"+g.name); found {
			return before
		}
	}
	t.Fatalf("test %q is not below Run", name)
	return ""
}

// kill ends the child at once, waits for it, and returns what it had still reported. A wrapped
// child is asked to end, because the signal would only hit its wrapper.
func (c *child) kill() []string {
	if !c.wrapped {
		c.cmd.Process.Kill()
	}
	c.stdin.Close()
	return c.rest()
}

// rest waits for the child's end and returns what it reports until then.
func (c *child) rest() []string {
	var lines []string
	for line := range c.reports {
		lines = append(lines, line)
	}
	return lines
}

// next returns the next report; ok is false when the child has ended, or after d.
func (c *child) next(d time.Duration) (line string, ok bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case line, ok = <-c.reports:
		return line, ok
	case <-timer.C:
		return "", false
	}
}

// childWait is how long a parent waits for what must come. Not a measure of anything.
const childWait = 2 * time.Minute

// waitForParent returns when the parent closes the child's standard input, or has died.
func waitForParent() { io.Copy(io.Discard, os.Stdin) }

// childOpen reports how Open went.
func childOpen(t *testing.T, h Harness, dir string, report func(string, ...any)) {
	b, err := h.Open(t, dir)
	if err != nil {
		report("%v", err)
		return
	}
	report("open")
	waitForParent()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// childFirst opens a new directory and writes one synced key.
func childFirst(t *testing.T, h Harness, dir string, report func(string, ...any)) {
	runtime.LockOSThread() // strace counts the calls of each thread
	b, err := h.Open(t, dir)
	if err != nil {
		report("%v", err)
		return
	}
	report("open")
	w := b.NewBatch()
	w.Set(s1, []byte("first"), []byte("value"))
	if err := b.Apply(w, true); err != nil {
		report("apply: %v", err)
	}
	report("acked")
	waitForParent()
}
