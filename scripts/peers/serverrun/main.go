// Command serverrun measures our server beside etcd's with etcd's load generator; see server.sh.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

type options struct {
	bin, dir string
	rounds   int
	seconds  float64
	keys     int
	engines  []system
	members  []int
	clients  []int
	parts    []string
	begin    time.Time
}

func (o *options) has(part string) bool { return slices.Contains(o.parts, part) }

// note says on standard error what is done.
func (o *options) note(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%4.0fs  %s\n", time.Since(o.begin).Seconds(), fmt.Sprintf(format, args...))
}

func numbers(text string) (list []int, err error) {
	for _, f := range strings.Fields(text) {
		n, err := strconv.Atoi(f)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a number from 1 on", f)
		}
		list = append(list, n)
	}
	return list, nil
}

func main() {
	o := &options{begin: time.Now()}
	flag.StringVar(&o.bin, "bin", "", "where the programs are")
	flag.StringVar(&o.dir, "dir", os.TempDir(), "where members keep their data")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds")
	flag.Float64Var(&o.seconds, "seconds", 2, "about how long etcd takes for a cell")
	flag.IntVar(&o.keys, "keys", 1_000_000, "keys of a member that is restarted")
	engines := flag.String("engines", "bolt", "our engines")
	members := flag.String("members", "1 3", "numbers of members")
	clients := flag.String("clients", "1 100 1000", "numbers of clients")
	parts := flag.String("parts", "put range restart watch", "what is measured")
	flag.Parse()
	err := o.run(*engines, *members, *clients, *parts)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (o *options) run(engines, members, clients, parts string) (err error) {
	for _, e := range strings.Fields(engines) {
		o.engines = append(o.engines, system(e))
	}
	o.parts = strings.Fields(parts)
	if o.members, err = numbers(members); err != nil {
		return err
	}
	if o.clients, err = numbers(clients); err != nil {
		return err
	}
	if len(o.engines) == 0 || o.rounds < 1 {
		return errors.New("no engine, or no round")
	}
	if o.dir, err = os.MkdirTemp(o.dir, "serverrun"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	t := newTable()
	for _, part := range []func(*table) error{o.runLoad, o.runWatch, o.runRestart} {
		if err := part(t); err != nil {
			return err
		}
	}
	t.print(os.Stdout, o.engines)
	return nil
}

// turns are the systems of a round, which every second round takes the other way round.
func (o *options) turns(round int) []system {
	list := append([]system{etcd}, o.engines...)
	if round%2 == 1 {
		slices.Reverse(list)
	}
	return list
}

func (o *options) runLoad(t *table) error {
	if !o.has("put") && !o.has("range") {
		return nil
	}
	for round := range o.rounds {
		o.note("round %d: ceiling", round+1)
		if err := o.load(t, ceiling, 1); err != nil {
			return err
		}
		for _, n := range o.members {
			for _, s := range o.turns(round) {
				o.note("round %d: %d members of %s", round+1, n, s)
				if err := o.load(t, s, n); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (o *options) runWatch(t *table) error {
	if !o.has("watch") {
		return nil
	}
	for round := range o.rounds {
		for _, s := range o.turns(round) {
			o.note("round %d: watchers of %s", round+1, s)
			if err := o.watch(t, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *options) runRestart(t *table) error {
	if !o.has("restart") {
		return nil
	}
	dir := func(s system) string { return filepath.Join(o.dir, "restart-"+string(s)) }
	for _, s := range o.turns(0) {
		o.note("%d keys into %s", o.keys, s)
		if err := o.fill(s, dir(s)); err != nil {
			return err
		}
	}
	for round := range o.rounds {
		for _, s := range o.turns(round) {
			o.note("round %d: restart of %s", round+1, s)
			if err := o.restart(t, s, dir(s)); err != nil {
				return err
			}
		}
	}
	return nil
}
