// Command gomap does the puts and gets of package work on a plain map of Go, which keeps nothing, versions
// nothing and orders nothing: how much slower its gets become with more keys is what the machine's memory
// alone does to any store.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"

	"github.com/etalon-kv/etalon/scripts/peers/work"
)

func main() {
	var plan work.Plan
	plan.Flags(flag.CommandLine)
	flag.String("dir", "", "not used")
	flag.Parse()
	open := func() (work.Store, error) { return store{}, nil }
	if err := work.Run(plan, open, false, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gomap:", err)
		os.Exit(1)
	}
}

type store map[string][]byte

func (s store) Put(key, value []byte) error {
	s[string(key)] = slices.Clone(value)
	return nil
}

func (s store) Get(key []byte) ([]byte, error) {
	value, ok := s[string(key)]
	if !ok {
		return nil, fmt.Errorf("%q is not there", key)
	}
	return slices.Clone(value), nil // the caller's own, as in the other stores
}

func (store) Range(lo, hi []byte) (int, error) { return 0, errors.ErrUnsupported }
func (store) Compact() error                   { return errors.ErrUnsupported }
func (store) Sync() error                      { return nil }
func (store) Close() error                     { return nil }
