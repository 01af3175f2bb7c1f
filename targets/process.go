package targets

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/etalon-kv/etalon/bench"
)

// process is a child process. On Linux it dies with this process, however that ends.
type process struct {
	name string
	cmd  *exec.Cmd
	said lastWords
	done chan struct{} // closed when it has ended
	err  error         // of Wait, once done

	mu   sync.Mutex
	seen bench.Used // the newest that was read
}

// startProcess starts a program. Whoever starts it must stop it.
func startProcess(name string, argv, env []string) (*process, error) {
	p := &process{name: name, cmd: exec.Command(argv[0], argv[1:]...), done: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = env, &p.said, &p.said
	p.cmd.SysProcAttr = ownGroup()
	p.cmd.WaitDelay = time.Second // for what a grandchild may hold open
	started := make(chan error)
	go func() {
		defer close(p.done)
		// Where the kernel ends a child with its parent, the parent is the thread that made it: this one
		// stays until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		<-p.done
		return nil, fmt.Errorf("targets: start %s: %w", name, err)
	}
	return p, nil
}

// ended reports whether it has.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// how tells how it ended.
func (p *process) how() string {
	text := "exit status 0"
	if p.err != nil {
		text = p.err.Error()
	}
	if last := p.said.String(); last != "" {
		text += ": " + last
	}
	return text
}

// stopGrace is how long a process may take to stop before it is killed.
const stopGrace = 10 * time.Second

// tell asks the process to stop; await waits for that.
func (p *process) tell() { _ = p.cmd.Process.Signal(syscall.SIGTERM) } // an error says that it has ended

func (p *process) await() error {
	late := time.NewTimer(stopGrace)
	defer late.Stop()
	select {
	case <-p.done:
		return nil
	case <-late.C:
	}
	err := p.cmd.Process.Kill()
	<-p.done
	return errors.Join(fmt.Errorf("targets: %s did not stop within %v and was killed", p.name, stopGrace), err)
}

// use is what the process has used until now, or until it ended.
func (p *process) use() bench.Used {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now, ok := readProcess(p.cmd.Process.Pid); ok && !p.ended() {
		p.seen = now
	}
	return p.seen
}

// lastWords keeps the end of what a process says.
type lastWords struct {
	mu   sync.Mutex
	text []byte
}

const mostWords = 2 << 10

// Write implements io.Writer.
func (w *lastWords) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, b...)
	if over := len(w.text) - mostWords; over > 0 {
		w.text = append(w.text[:0], w.text[over:]...)
	}
	return len(b), nil
}

// String is the end, in one line.
func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(strings.Fields(string(w.text)), " ")
}
