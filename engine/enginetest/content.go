package enginetest

import (
	"fmt"

	"github.com/etalon-kv/etalon/engine"
)

// What the tests of the engines themselves are built of, beside the suite.

// Put applies a batch of one write.
func Put(b engine.Backend, sync bool, s engine.Space, key, value string) error {
	w := b.NewBatch()
	w.Set(s, []byte(key), []byte(value))
	return b.Apply(w, sync)
}

// Content reads space s both ways and key by key, checks that all agree, and returns it. Errors are
// answers here: of a damaged file they are what is wanted.
func Content(b engine.Backend, s engine.Space) (map[string]string, error) {
	view, err := b.Snapshot()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	m := make(map[string]string)
	it := view.Scan(s, nil, nil)
	for it.Next() {
		m[string(it.Key())] = string(it.Value())
	}
	if err := it.Close(); err != nil {
		return nil, err
	}
	n := 0
	it = view.ScanBack(s, nil, nil)
	for ; it.Next(); n++ {
		if m[string(it.Key())] != string(it.Value()) {
			return nil, fmt.Errorf("key %q differs backwards", it.Key())
		}
	}
	if err := it.Close(); err != nil {
		return nil, err
	}
	if n != len(m) {
		return nil, fmt.Errorf("%d keys forwards, %d backwards", len(m), n)
	}
	for k, v := range m {
		if got, err := view.Get(nil, s, []byte(k)); err != nil || string(got) != v {
			return nil, fmt.Errorf("get %q: %d bytes, %v", k, len(got), err)
		}
	}
	return m, nil
}

// Differ says where got, a Content, is not want; "" if nowhere.
func Differ(want, got map[string]string) string {
	for k, v := range want {
		if g, ok := got[k]; !ok || g != v {
			return fmt.Sprintf("%q: %d bytes (found %v), want %d", k, len(g), ok, len(v))
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d keys, want %d", len(got), len(want))
	}
	return ""
}
