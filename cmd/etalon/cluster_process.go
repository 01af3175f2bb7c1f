package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// readyMessage is the line of a member that serves clients.
const readyMessage = "ready to serve client requests"

// stopGrace is how long members may take to stop before they are killed.
const stopGrace = 20 * time.Second

// cluster is the running processes.
type cluster struct {
	tty          terminal
	dir          string
	processes    []*process
	ready, ended chan *process // room for all
	failed       []string      // members that ended by themselves
}

// process is one member's.
type process struct {
	member  layoutMember
	cmd     *exec.Cmd
	args    []string
	stdin   io.Closer // the member stops when it is closed, also if this process is killed
	logPath string
	lines   *memberLines
	err     error         // of Wait
	done    chan struct{} // closed when it has ended
}

// start starts a member; its log goes to DIR/NAME.log.
func (c *cluster) start(m layoutMember, args []string) (err error) {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	p := &process{member: m, args: args, logPath: filepath.Join(c.dir, m.Name+".log"), done: make(chan struct{})}
	file, err := os.OpenFile(p.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	p.lines = &memberLines{file: file, ready: func() { c.ready <- p }}
	p.cmd = exec.Command(self, append(slices.Clone(args), "--"+stopWithInput)...)
	p.cmd.SysProcAttr = ownProcessGroup() // Ctrl-C reaches the parent alone, which then tells the members
	p.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "ETCD_") })
	p.cmd.Stderr = p.lines
	stdin, err := p.cmd.StdinPipe()
	if err == nil {
		p.stdin = stdin
		err = p.cmd.Start()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", m.Name, err), file.Close())
	}
	c.processes = append(c.processes, p)
	go func() { // ends with the process, which stop waits for
		p.err = errors.Join(p.cmd.Wait(), file.Close())
		close(p.done)
		c.ended <- p
	}()
	return nil
}

// stop stops all members and waits for them.
func (c *cluster) stop() error {
	var all []error
	for _, p := range c.processes {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			all = append(all, err)
		}
	}
	late := time.NewTimer(stopGrace)
	defer late.Stop()
	for _, p := range c.processes {
		select {
		case <-p.done:
			continue
		case <-late.C:
			late.Reset(0) // for those that follow, too
		}
		all = append(all, fmt.Errorf("%s did not stop within %v and was killed", p.member.Name, stopGrace), p.cmd.Process.Kill())
		<-p.done
	}
	return errors.Join(all...)
}

// how tells how a process that is done has ended, and its last words.
func (p *process) how() string {
	text := "exit status 0"
	if p.err != nil {
		text = p.err.Error()
	}
	if p.lines.last != "" {
		text += ": " + strings.TrimPrefix(p.lines.last, "etalon: ")
	}
	return text
}

// command is the command line that starts the member by itself.
func (p *process) command() string {
	words := []string{"etalon"}
	for _, a := range p.args {
		words = append(words, shellWord(a))
	}
	return strings.Join(words, " ")
}

// memberLines takes what a member says: it goes to its log, and is looked through. A log that cannot
// be written stops nobody.
type memberLines struct {
	file  io.Writer
	ready func() // called once
	part  []byte // of a line
	last  string // the last line that is no log record
}

// mostLine bounds what is kept of a line.
const mostLine = 4 << 10

// Write implements io.Writer.
func (l *memberLines) Write(b []byte) (int, error) {
	_, _ = l.file.Write(b)
	n := len(b)
	for {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		if room := mostLine - len(l.part); room > 0 {
			l.part = append(l.part, line[:min(room, len(line))]...)
		}
		if !whole {
			return n, nil
		}
		switch {
		case l.ready != nil && bytes.Contains(l.part, []byte(`"msg":"`+readyMessage+`"`)):
			l.ready()
			l.ready = nil
		case bytes.HasPrefix(l.part, []byte("etalon: ")):
			l.last = string(l.part)
		}
		b, l.part = rest, l.part[:0]
	}
}
