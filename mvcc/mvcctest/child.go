package mvcctest

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A child is the test binary started again with these set, to be killed.
const (
	envTest = "ETALON_MVCCTEST_CHILD" // the name of the test that is to be the child
	envDir  = "ETALON_MVCCTEST_DIR"
	envSeed = "ETALON_MVCCTEST_SEED"
)

// isChild tells whether this process is a child; it has body run in it if this is its test. report
// is a pipe to the parent, for lines.
func isChild(t *testing.T, body func(dir string, seed uint64, report io.Writer)) bool {
	name := os.Getenv(envTest)
	if name == "" {
		return false
	}
	if name != t.Name() {
		return true
	}
	seed, err := strconv.ParseUint(os.Getenv(envSeed), 10, 64)
	must(t, err)
	body(os.Getenv(envDir), seed, os.NewFile(3, "report"))
	return true
}

// child is one of them, in its parent.
type child struct {
	cmd    *exec.Cmd
	pipe   *os.File
	lines  *bufio.Scanner
	output strings.Builder
}

// startChild starts the test of that name as a child. The caller must end it by kill or wait.
func startChild(t *testing.T, name, dir string, seed uint64) *child {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	c := &child{cmd: exec.Command(self, "-test.run="+strings.Join(parts, "/"), "-test.count=1", "-test.timeout=5m")}
	c.cmd.Env = append(os.Environ(), envTest+"="+name, envDir+"="+dir, envSeed+"="+strconv.FormatUint(seed, 10))
	c.cmd.Stdout, c.cmd.Stderr = &c.output, &c.output
	from, to, err := os.Pipe()
	must(t, err)
	c.cmd.ExtraFiles = []*os.File{to}
	must(t, c.cmd.Start())
	to.Close()
	c.pipe, c.lines = from, bufio.NewScanner(from)
	return c
}

// number reads a line, which is a number; false when there are no more.
func (c *child) number() (uint64, bool) {
	if !c.lines.Scan() {
		return 0, false
	}
	n, err := strconv.ParseUint(c.lines.Text(), 10, 64)
	return n, err == nil // not if it was killed in the middle of a line
}

// kill has the child killed after that time, reads on until it is dead, and returns the last number
// that came. ended: it ended by itself before.
func (c *child) kill(t *testing.T, after time.Duration) (last uint64, ended bool) {
	t.Helper()
	timer := time.AfterFunc(after, func() { c.cmd.Process.Kill() })
	for n, ok := c.number(); ok; n, ok = c.number() {
		last = n
	}
	_, _ = io.Copy(io.Discard, c.pipe) // the rest of a line
	err := c.wait()
	timer.Stop()
	if err != nil && !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child has failed: %v\n%s", err, &c.output)
	}
	return last, err == nil
}

// wait waits until the child has ended by itself.
func (c *child) wait() error {
	defer c.pipe.Close()
	return c.cmd.Wait()
}
