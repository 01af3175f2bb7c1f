package targets

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// helperMode in the environment makes the test's program a process to play with.
const helperMode = "ETALON_TEST_TARGETS_HELPER"

func TestMain(m *testing.M) {
	mode, arg, _ := strings.Cut(os.Getenv(helperMode), " ")
	switch mode {
	case "":
		goleak.VerifyTestMain(m)
	case "child": // holds a connection to arg for as long as it lives, and stops when it is told to
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		call(arg, "child\n")
		<-stop
	case "deaf": // does not
		signal.Ignore(syscall.SIGTERM)
		call(arg, "deaf\n")
		select {}
	case "parent": // has a child, and tells when it runs
		if _, err := startProcess("child", []string{os.Args[0]}, []string{helperMode + "=child " + arg}); err != nil {
			panic(err)
		}
		select {}
	case "fails":
		_, _ = io.WriteString(os.Stderr, "etalon: address\nalready in use\n")
		os.Exit(3)
	}
}

func call(addr, say string) {
	c, err := net.Dial("tcp", addr)
	if err == nil {
		_, err = io.WriteString(c, say)
	}
	if err != nil {
		panic(err)
	}
}

// answer waits for the call of a helper, and returns what ends when that does.
func answer(t *testing.T, l net.Listener, want string) io.Reader {
	t.Helper()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	r := bufio.NewReader(c)
	if got, err := r.ReadString('\n'); got != want+"\n" || err != nil {
		t.Fatalf("%q, %v; want %s", got, err, want)
	}
	return r
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func helper(mode string, l net.Listener) []string {
	return append(os.Environ(), helperMode+"="+mode+" "+l.Addr().String())
}

func TestAChildStopsWhenToldAndTellsWhatItUsed(t *testing.T) {
	l := listen(t)
	p, err := startProcess("child", []string{os.Args[0]}, helper("child", l))
	if err != nil {
		t.Fatal(err)
	}
	life := answer(t, l, "child")
	running := p.use()
	if runtime.GOOS == "linux" && running.RSSBytes <= 0 {
		t.Errorf("a running process has %d bytes in memory", running.RSSBytes)
	}
	p.tell()
	if err := p.await(); err != nil || !p.ended() || p.how() != "exit status 0" {
		t.Errorf("%v, ended %v: %s", err, p.ended(), p.how())
	}
	if _, err := io.ReadAll(life); err != nil {
		t.Errorf("its connection: %v", err)
	}
	if after := p.use(); after.UserCPU < running.UserCPU || after.RSSBytes != running.RSSBytes {
		t.Errorf("what is known of it after its end: %+v, before %+v", after, running)
	}
}

func TestAChildDiesWithAParentThatIsKilled(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends children with their parent")
	}
	l := listen(t)
	parent := exec.Command(os.Args[0])
	parent.Env = helper("parent", l)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	life := answer(t, l, "child")
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	_, _ = io.ReadAll(life) // until the child's end, or the test's deadline
}

func TestAMemberThatEndsBeforeItServesIsTold(t *testing.T) {
	t.Setenv(helperMode, "fails")
	_, err := StartCluster(t.Context(), ClusterConfig{Command: []string{os.Args[0]}, Nodes: 2, Dir: t.TempDir()},
		func(ctx context.Context, _ []string) error {
			<-ctx.Done()
			return ctx.Err()
		})
	if err == nil || !strings.Contains(err.Error(), "exit status 3: etalon: address already in use") {
		t.Errorf("got %v", err)
	}
	if _, err := StartCluster(t.Context(), ClusterConfig{Command: []string{"/no/such/program"}, Nodes: 1, Dir: t.TempDir()}, nil); err == nil {
		t.Error("a program that is not there was started")
	}
}

func TestMembersStopWhenTheirStartIsGivenUp(t *testing.T) {
	l := listen(t)
	t.Setenv(helperMode, "child "+l.Addr().String())
	ctx, cancel := context.WithCancel(t.Context())
	var life io.Reader
	_, err := StartCluster(ctx, ClusterConfig{Command: []string{os.Args[0]}, Nodes: 1, Dir: t.TempDir()},
		func(ctx context.Context, addrs []string) error {
			life = answer(t, l, "child")
			cancel() // as Ctrl-C does
			<-ctx.Done()
			return ctx.Err()
		})
	if err == nil {
		t.Fatal("the cluster was started after its context had ended")
	}
	_, _ = io.ReadAll(life) // it ended with the start
}
