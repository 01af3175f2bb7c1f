package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/etalon-kv/etalon/apply"
)

// ErrNotEmpty: a data directory for something new holds something.
var ErrNotEmpty = errors.New("server: data directory is not empty")

// Restoring is a member that is made of a snapshot. All members of its cluster are made of the same one,
// with the same Token and Cluster.
type Restoring struct {
	// Dir is the data directory; it must be missing or empty.
	Dir string
	// Name, Token, PeerURLs, Cluster, Engine and State are as in NodeConfig.
	Name, Token string
	PeerURLs    []string
	Cluster     map[string][]string
	Engine      string
	State       apply.Config
	// BumpRevisions is as in apply.Refounding.
	BumpRevisions int64
	// step, if any, is called by tests between the steps.
	step func(string)
}

// restoringName is where a member is built before it takes its place, in the data directory.
const restoringName = "member.restoring"

// ErrRestoring: a data directory has no member yet, but what an interrupted Restore has left.
var ErrRestoring = errors.New("server: restoring a snapshot was interrupted")

// Restore makes the data directory of a founding member of a new cluster out of a snapshot: keys,
// revisions and leases are the snapshot's, members and ids are new. It is there whole and durably when
// Restore returns; after a crash it is there or not. An error leaves nothing.
func Restore(ctx context.Context, c Restoring, from *SnapshotFile) (err error) {
	// Nodes have the founders worked out.
	n := &Node{config: NodeConfig{Name: c.Name, Token: c.Token, PeerURLs: c.PeerURLs, Cluster: c.Cluster, Engine: c.Engine}}
	if err := n.found(); err != nil {
		return err
	}
	made, err := prepareRestore(c.Dir)
	if err != nil {
		return err
	}
	tmp := filepath.Join(c.Dir, restoringName)
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
			if made {
				err = errors.Join(err, os.Remove(c.Dir))
			}
		}
	}()
	if err := c.restoreState(ctx, filepath.Join(tmp, "state"), n.founders(), from); err != nil {
		return err
	}
	if err := n.id.store(tmp); err != nil {
		return err
	}
	c.at("built")
	if err := os.Rename(tmp, filepath.Join(c.Dir, memberName)); err != nil {
		return fmt.Errorf("server: data directory: %w", err)
	}
	if err := errors.Join(syncDir(c.Dir), syncDir(filepath.Dir(c.Dir))); err != nil {
		tmp = filepath.Join(c.Dir, memberName)
		return fmt.Errorf("server: data directory: %w", err)
	}
	return nil
}

func (c *Restoring) at(step string) {
	if c.step != nil {
		c.step(step)
	}
}

// prepareRestore makes dir, unless it is there and empty; what a Restore that was interrupted has left
// is removed.
func prepareRestore(dir string) (made bool, err error) {
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		made, err = true, os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		others := slices.DeleteFunc(list, func(e fs.DirEntry) bool { return e.Name() == restoringName })
		if len(others) > 0 {
			return false, fmt.Errorf("%w: %s has %s", ErrNotEmpty, dir, others[0].Name())
		}
		err = os.RemoveAll(filepath.Join(dir, restoringName))
	}
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, restoringName), 0o700)
	}
	if err != nil {
		return made, fmt.Errorf("server: data directory: %w", err)
	}
	return made, nil
}

// restoreState makes the state in dir.
func (c *Restoring) restoreState(ctx context.Context, dir string, founders []apply.Member, from *SnapshotFile) (err error) {
	sc := c.State
	sc.Dir = dir
	m, err := apply.Open(ctx, sc)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	c.at("opened")
	if err := m.Restore(ctx, from.Image()); err != nil {
		return fmt.Errorf("server: restoring the snapshot: %w", err)
	}
	c.at("restored")
	if err := from.CheckEnd(); err != nil {
		return err
	}
	return m.Refound(apply.Refounding{Members: founders, BumpRevisions: c.BumpRevisions})
}
