package apply

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/etalon-kv/etalon/engine"
)

// directory keeps engines in numbered directories, one of which is the current one: the file CURRENT
// has its name. A state that comes from elsewhere is built beside it and becomes current by the
// rename of that file, so a crash leaves either. An empty path keeps nothing.
type directory struct {
	path string
	open func(dir string) (engine.Backend, error)
	// step, if any, is called by tests between the steps of a switch.
	step func(string)
}

const (
	currentName = "CURRENT"
	firstName   = "1"
)

// openCurrent opens the engine in the current directory, the first one if there is none, and then
// removes what an interrupted switch has left.
func (d *directory) openCurrent() (engine.Backend, string, error) {
	if d.path == "" {
		b, err := d.open("")
		return b, "", err
	}
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return nil, "", err
	}
	for {
		name, err := d.read()
		if err != nil {
			return nil, "", err
		}
		b, err := d.open(filepath.Join(d.path, name))
		if err != nil {
			return nil, "", err
		}
		// The engine's lock is ours now; but who had it may have made another one current.
		again, err := d.read()
		if err == nil && again == name {
			err = d.clean(name)
		}
		if err != nil {
			return nil, "", errors.Join(err, b.Close())
		}
		if again == name {
			return b, name, nil
		}
		if err := b.Close(); err != nil {
			return nil, "", err
		}
	}
}

// read returns the name of the current directory.
func (d *directory) read() (string, error) {
	text, err := os.ReadFile(filepath.Join(d.path, currentName))
	if errors.Is(err, fs.ErrNotExist) {
		return firstName, nil
	}
	if err != nil {
		return "", err
	}
	name, whole := strings.CutSuffix(string(text), "\n")
	if n, err := strconv.ParseUint(name, 10, 64); !whole || err != nil || strconv.FormatUint(n, 10) != name {
		return "", fmt.Errorf("%w: %s holds %q, want a number", ErrState, filepath.Join(d.path, currentName), text)
	}
	return name, nil
}

// clean removes the numbered directories other than keep.
func (d *directory) clean(keep string) error {
	list, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	for _, e := range list {
		if _, err := strconv.ParseUint(e.Name(), 10, 64); err != nil || !e.IsDir() || e.Name() == keep {
			continue
		}
		if err := os.RemoveAll(filepath.Join(d.path, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// create makes the engine that follows the one called name.
func (d *directory) create(name string) (engine.Backend, string, error) {
	if d.path == "" {
		b, err := d.open("")
		return b, "", err
	}
	n, err := strconv.ParseUint(name, 10, 64)
	if err != nil {
		return nil, "", err
	}
	next := strconv.FormatUint(n+1, 10)
	if err := os.RemoveAll(filepath.Join(d.path, next)); err != nil { // of a Restore that failed
		return nil, "", err
	}
	d.at("removed")
	b, err := d.open(filepath.Join(d.path, next))
	d.at("created")
	return b, next, err
}

// switchTo makes name current, for good when it returns.
func (d *directory) switchTo(name string) error {
	if d.path == "" {
		return nil
	}
	tmp := filepath.Join(d.path, currentName+".new")
	if err := writeSynced(tmp, name+"\n"); err != nil {
		return err
	}
	d.at("written")
	if err := os.Rename(tmp, filepath.Join(d.path, currentName)); err != nil {
		return err
	}
	d.at("renamed")
	return syncDir(d.path)
}

// remove removes the directory called name.
func (d *directory) remove(name string) error {
	if d.path == "" {
		return nil
	}
	return os.RemoveAll(filepath.Join(d.path, name))
}

func (d *directory) at(step string) {
	if d.step != nil {
		d.step(step)
	}
}

func writeSynced(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
