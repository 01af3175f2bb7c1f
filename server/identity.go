package server

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/etalon-kv/etalon/apply"
)

// identity is who a data directory belongs to: the file DIR/member/identity, written once, before
// anything else.
type identity struct {
	Format      int
	Name        string
	Cluster     uint64 `json:",string"`
	Member      uint64 `json:",string"`
	Incarnation uint64 `json:",string"` // random: a directory made anew has another
	Founding    bool   // the member began with the cluster
	Engine      string // what the state is kept in, as the caller calls it
	// Met are the members that the cluster had when this one joined: whom it asks until it knows better.
	Met []apply.Member `json:",omitempty"`
}

const identityFormat = 1

// ErrIdentity: a data directory belongs to another member, another cluster or another engine.
var ErrIdentity = errors.New("server: data directory belongs to something else")

// loadIdentity reads the identity of a member directory, nil if it has none.
func loadIdentity(dir string) (*identity, error) {
	text, err := os.ReadFile(filepath.Join(dir, "identity"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("server: data directory: %w", err)
	}
	var id identity
	if err := json.Unmarshal(text, &id); err != nil {
		return nil, fmt.Errorf("%w: %s/identity: %w", ErrIdentity, dir, err)
	}
	if id.Format != identityFormat {
		return nil, fmt.Errorf("%w: %s/identity has format %d, this version writes %d", ErrIdentity, dir, id.Format, identityFormat)
	}
	return &id, nil
}

// vacant refuses a member directory that has no identity and yet holds something, as an etcd's: an empty
// member would begin beside it, and its clients would find their data gone.
func vacant(dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("server: data directory: %w", err)
	}
	for _, e := range list {
		if e.Name() != identityNew { // a crash while it was written
			return fmt.Errorf("%w: %s holds %q, and nothing that says whose it is", ErrIdentity, dir, e.Name())
		}
	}
	return nil
}

// identityNew is the identity's name until it is whole.
const identityNew = "identity.new"

// store writes id into dir, whole or not at all, and durably.
func (id *identity) store(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("server: data directory: %w", err)
	}
	text, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return err
	}
	name := filepath.Join(dir, "identity")
	unfinished := filepath.Join(dir, identityNew)
	f, err := os.OpenFile(unfinished, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("server: data directory: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(unfinished, name)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("server: data directory: %w", err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// newIncarnation returns a number that no other data directory has, and not 0.
func newIncarnation() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:]) | 1
}
