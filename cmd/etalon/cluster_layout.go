package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/etalon-kv/etalon/internal/freeport"
)

// layout is what a cluster's directory is for: the file DIR/cluster.json. Members know each other by
// their peer URLs, so these stay what they were.
type layout struct {
	Etalon  string         `json:"etalon"` // "cluster"
	Format  int            `json:"format"`
	Members []layoutMember `json:"members"`
}

// layoutMember is one member; addresses are HOST:PORT. Its data are in DIR/NAME.
type layoutMember struct {
	Name   string `json:"name"`
	Engine string `json:"engine"`
	Index  string `json:"index"`
	Log    string `json:"log"`
	Policy string `json:"policy"`
	Client string `json:"client"`
	Peer   string `json:"peer"`
}

const (
	layoutName   = "cluster.json"
	layoutFormat = 1
)

// layout reads that of dir, or makes a new one from the flags.
func (o *clusterOptions) layout(dir string) (*layout, error) {
	l, err := readLayout(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if list, err := os.ReadDir(dir); err == nil && len(list) > 0 {
			return nil, fmt.Errorf("%s has other content than a cluster: no %s in it", dir, layoutName)
		}
		return o.newLayout()
	}
	if err != nil {
		return nil, err
	}
	return l, o.agree(l, dir)
}

func readLayout(dir string) (*layout, error) {
	path := filepath.Join(dir, layoutName)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	l := &layout{}
	if err := json.Unmarshal(text, l); err != nil || l.Etalon != "cluster" || len(l.Members) == 0 || len(l.Members) > mostNodes {
		return nil, fmt.Errorf("%s is not what etalon cluster writes", path)
	}
	if l.Format != layoutFormat {
		return nil, fmt.Errorf("%s has format %d, this version knows %d", path, l.Format, layoutFormat)
	}
	return l, nil
}

// agree refuses flags that contradict what the directory holds.
func (o *clusterOptions) agree(l *layout, dir string) error {
	if o.given("nodes") && o.nodes != len(l.Members) {
		return usagef("%s holds a cluster of %d, not of %d", dir, len(l.Members), o.nodes)
	}
	for i, m := range l.Members {
		for _, part := range []struct{ flag, kept, given string }{
			{"engine", m.Engine, nth(o.engines, i)}, {"index", m.Index, nth(o.indexes, i)}, {"log", m.Log, nth(o.logs, i)}, {"policy", m.Policy, o.policy},
		} {
			if o.given(part.flag) && part.given != part.kept {
				return usagef("%s in %s was made with --%s %s; leave the flag out", m.Name, dir, part.flag, part.kept)
			}
		}
	}
	if _, port, err := net.SplitHostPort(l.Members[0].Client); o.given("port") && (err != nil || port != strconv.Itoa(o.port)) {
		return usagef("the cluster in %s has its first port at %s; leave --port out", dir, port)
	}
	return nil
}

func (o *clusterOptions) newLayout() (*layout, error) {
	ports, err := o.ports()
	if err != nil {
		return nil, err
	}
	l := &layout{Etalon: "cluster", Format: layoutFormat}
	for i := range o.nodes {
		l.Members = append(l.Members, layoutMember{
			Name: "n" + strconv.Itoa(i+1), Engine: nth(o.engines, i), Index: nth(o.indexes, i), Log: nth(o.logs, i), Policy: o.policy,
			Client: ports[2*i], Peer: ports[2*i+1],
		})
	}
	return l, nil
}

// ports are two addresses a member: from --port on, or free ones.
func (o *clusterOptions) ports() ([]string, error) {
	if o.port == 0 {
		return freeport.Find(2 * o.nodes)
	}
	var addrs []string
	for i := range 2 * o.nodes {
		addrs = append(addrs, net.JoinHostPort("127.0.0.1", strconv.Itoa(o.port+i)))
	}
	return addrs, nil
}

// check refuses further flags that serve would, and addresses that are taken.
func (l *layout) check(further []string) error {
	for _, m := range l.Members {
		o, f := &serveOptions{}, pflag.NewFlagSet("serve", pflag.ContinueOnError)
		f.SetOutput(io.Discard)
		o.register(f)
		if err := f.Parse(further); err != nil {
			return usagef("after --: %w", err)
		}
		if f.NArg() > 0 {
			return usagef("after --: %q is no flag of etalon serve", f.Arg(0))
		}
		for _, own := range append(l.flags(m, ""), "--config-file", "--version", "--"+stopWithInput) {
			name, _, _ := strings.Cut(strings.TrimPrefix(own, "--"), "=")
			if f.Changed(name) {
				return usagef("after --: --%s is not the members' to choose in etalon cluster", name)
			}
		}
		if err := errors.Join(f.Parse(l.flags(m, "")), o.check(f)); err != nil {
			return usagef("after --: %w", err)
		}
		for _, addr := range []string{m.Client, m.Peer} {
			taken, err := net.Listen("tcp", addr)
			if err != nil {
				return fmt.Errorf("%s cannot listen on %s, is the cluster running already? %w", m.Name, addr, err)
			}
			if err := taken.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flags are those of serve for m.
func (l *layout) flags(m layoutMember, dir string) []string {
	var initial []string
	for _, o := range l.Members {
		initial = append(initial, o.Name+"=http://"+o.Peer)
	}
	return []string{
		"--name=" + m.Name, "--data-dir=" + filepath.Join(dir, m.Name),
		"--engine=" + m.Engine, "--index=" + m.Index, "--log=" + m.Log, "--policy=" + m.Policy,
		"--listen-client-urls=http://" + m.Client, "--advertise-client-urls=http://" + m.Client,
		"--listen-peer-urls=http://" + m.Peer, "--initial-advertise-peer-urls=http://" + m.Peer,
		"--initial-cluster=" + strings.Join(initial, ","),
	}
}

// args is the command line of m, without the program.
func (l *layout) args(m layoutMember, dir string, further []string) []string {
	return append(append([]string{"serve"}, l.flags(m, dir)...), further...)
}

// store writes l into dir, which is made if it is missing.
func (l *layout) store(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	text, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, layoutName), func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}
