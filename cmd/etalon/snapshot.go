package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/internal/nearest"
	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/server"
)

// snapshotCommand is etcdctl's and etcdutl's command of that name.
func snapshotCommand(tty terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "Save the state of a running member, look at it, make new members of it",
		Long: "Save the state of a running member into a file, look at such a file, and make new members of it, on\n" +
			"any engine. Flags have the names and meanings of etcdctl's and etcdutl's.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(snapshotSaveCommand(tty), snapshotStatusCommand(tty), snapshotRestoreCommand(tty))
	return cmd
}

// oneFile wants exactly one argument, a snapshot's file.
func oneFile(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("%s needs the file of a snapshot, got %d arguments", cmd.CommandPath(), len(args))
	}
	return nil
}

// restoreOptions are the flags of snapshot restore.
type restoreOptions struct {
	serveOptions  // those that serve has as well, see register
	skipHash      bool
	bumpRevisions uint64
	markCompacted bool
}

// restoreFlags are the flags of serve that restore has as well.
var restoreFlags = []string{"engine", "name", "data-dir", "wal-dir", "initial-cluster", "initial-cluster-token", "initial-advertise-peer-urls"}

func (o *restoreOptions) register(f *pflag.FlagSet) {
	all := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	o.serveOptions.register(all)
	for _, name := range restoreFlags {
		f.AddFlag(all.Lookup(name))
	}
	f.BoolVar(&o.skipHash, "skip-hash-check", false, "take a file whose sum is missing or wrong; its blocks are checked nevertheless")
	f.Uint64Var(&o.bumpRevisions, "bump-revision", 0, "let the history go on that many revisions later; needs --mark-compacted")
	f.BoolVar(&o.markCompacted, "mark-compacted", false, "compact at the bumped revision, so that watches that have seen more are told")
}

func snapshotRestoreCommand(tty terminal) *cobra.Command {
	o := &restoreOptions{}
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make the data directory of a new member of a new cluster",
		Long: "Make the data directory of a new member of a new cluster, on any engine. Every member of the cluster is\n" +
			"made of the same file with the same --initial-cluster and --initial-cluster-token, then started with\n" +
			"etalon serve. Keys, revisions and leases stay; members and ids are new.",
		Example: "  etalon snapshot restore backup.db --engine pebble --data-dir new\n  etalon serve --engine pebble --data-dir new",
		Args:    oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd.Flags()); err != nil {
				return usageError{err}
			}
			return o.restore(cmd.Context(), tty, args[0])
		},
	}
	o.register(cmd.Flags())
	return cmd
}

// check refuses what contradicts itself.
func (o *restoreOptions) check(f *pflag.FlagSet) error {
	switch {
	case o.engine == "mem":
		return errors.New("--engine mem keeps nothing: there would be nothing to start from")
	case !slices.Contains(engineNames, o.engine):
		return nearest.Error("engine", o.engine, engineNames)
	case o.markCompacted && o.bumpRevisions == 0:
		return errors.New("--mark-compacted is accepted only with --bump-revision")
	case !o.markCompacted && o.bumpRevisions > 0:
		return errors.New("--bump-revision needs --mark-compacted")
	case o.bumpRevisions > index.MaxMain/2:
		return fmt.Errorf("--bump-revision %d, accepted: up to %d", o.bumpRevisions, index.MaxMain/2)
	}
	for _, u := range o.advertisePeer {
		if _, err := checkURL("initial-advertise-peer-urls", u); err != nil {
			return err
		}
	}
	if o.cluster == "" && (f.Changed("name") || f.Changed("initial-advertise-peer-urls")) {
		return errors.New("--initial-cluster is needed with --name or --initial-advertise-peer-urls")
	}
	_, err := o.members()
	return err
}

// restore makes the data directory.
func (o *restoreOptions) restore(ctx context.Context, tty terminal, path string) (err error) {
	if o.walDir != "" {
		if list, err := os.ReadDir(o.logDir("")); err == nil && len(list) > 0 {
			return fmt.Errorf("%s holds a log already", o.logDir(""))
		}
	}
	from, err := server.OpenSnapshotFile(path, o.skipHash)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	members, err := o.members()
	if err != nil {
		return usageError{err}
	}
	err = server.Restore(ctx, server.Restoring{
		Dir: o.dir(), Name: o.name, Token: o.token, PeerURLs: o.advertisePeer, Cluster: members, Engine: o.engine,
		State:         apply.Config{Open: func(dir string) (engine.Backend, error) { return openEngine(o.engine, dir, nil, nil) }, Index: newPacked},
		BumpRevisions: int64(o.bumpRevisions),
	}, from)
	if err != nil {
		return err
	}
	args := []string{"etalon", "serve", "--engine", o.engine, "--data-dir", shellWord(o.dir())}
	if o.name != "default" {
		args = append(args, "--name", shellWord(o.name))
	}
	fmt.Fprintf(tty.out, "Restored %s into %s on %s. To start it, with the URLs it is to have:\n  %s\n", path, o.dir(), o.engine, strings.Join(args, " "))
	return nil
}

func newPacked() index.Index {
	i, err := newIndex("packed")
	if err != nil {
		panic(err) // it is one of ours
	}
	return i
}
