package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engines/badger"
	"github.com/etalon-kv/etalon/engines/bolt"
	"github.com/etalon-kv/etalon/engines/mem"
	"github.com/etalon-kv/etalon/engines/pebble"
	"github.com/etalon-kv/etalon/internal/nearest"
)

// engineNames are the engines in the order of tables and lists: slowest promise first is nobody's
// order, so it is by kind: memory, B+tree, LSM trees.
var engineNames = []string{"mem", "bolt", "pebble", "badger"}

// engineDocs say in a line what each engine is.
var engineDocs = map[string]string{
	"mem":    "copy-on-write B-tree in memory: reference model and upper bound, keeps nothing",
	"bolt":   "go.etcd.io/bbolt: B+tree of pages in one mapped file, one writer",
	"pebble": "github.com/cockroachdb/pebble/v2: log-structured merge tree",
	"badger": "github.com/dgraph-io/badger/v4: log-structured merge tree; all values kept in it, below 1 MiB each",
}

// openEngine opens one engine in dir with the options of a suite. This switch is the only place
// where names become engines.
func openEngine(name, dir string, options map[string]any, log *slog.Logger) (engine.Backend, error) {
	shared := engine.Options{Logger: log}
	switch name {
	case "mem":
		o := mem.Options{Options: shared}
		if err := decodeOptions(name, options, &o); err != nil {
			return nil, err
		}
		return mem.Open(o)
	case "bolt":
		o := bolt.Options{Options: shared}
		if err := decodeOptions(name, options, &o); err != nil {
			return nil, err
		}
		return bolt.Open(dir, o)
	case "pebble":
		o := pebble.Options{Options: shared}
		if err := decodeOptions(name, options, &o); err != nil {
			return nil, err
		}
		return pebble.Open(dir, o)
	case "badger":
		o := badger.Options{Options: shared}
		if err := decodeOptions(name, options, &o); err != nil {
			return nil, err
		}
		return badger.Open(dir, o)
	default:
		return nil, nearest.Error("engine", name, engineNames)
	}
}

// checkEngineOptions refuses options that component does not have or cannot take, without
// opening anything.
func checkEngineOptions(component string, options map[string]any) error {
	switch component {
	case "mem":
		return checkOptions(component, options, &mem.Options{}, func(*mem.Options) error { return nil })
	case "bolt":
		return checkOptions(component, options, &bolt.Options{}, func(o *bolt.Options) error { return o.Validate() })
	case "pebble":
		return checkOptions(component, options, &pebble.Options{}, func(o *pebble.Options) error { return o.Validate() })
	case "badger":
		return checkOptions(component, options, &badger.Options{}, func(o *badger.Options) error { return o.Validate() })
	case "wal":
		return checkOptions(component, options, &walOptions{}, (*walOptions).validate)
	case etcdComponent:
		return checkOptions(component, options, &etcdOptions{}, (*etcdOptions).validate)
	default:
		return unknownComponent(component)
	}
}

func checkOptions[O any](component string, options map[string]any, into *O, validate func(*O) error) error {
	if err := decodeOptions(component, options, into); err != nil {
		return err
	}
	return validate(into)
}

// decodeOptions fills an options struct from a suite's mapping, by the names of its JSON tags. A
// name that is not there is answered with the nearest that is.
func decodeOptions(component string, options map[string]any, into any) error {
	if len(options) == 0 {
		return nil
	}
	known, err := optionNames(into)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if !slices.Contains(known, name) {
			return nearest.Error(component+" option", name, known)
		}
	}
	text, err := json.Marshal(options)
	if err != nil {
		return fmt.Errorf("options of %s: %w", component, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	err = decoder.Decode(into)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Type == reflect.TypeFor[time.Duration]():
		return fmt.Errorf("%s option %s: %s %v, accepted: a whole number of nanoseconds", component, wrong.Field, wrong.Value, options[wrong.Field])
	case errors.As(err, &wrong):
		return fmt.Errorf("%s option %s: %s %v, accepted: a value of type %s", component, wrong.Field, wrong.Value, options[wrong.Field], wrong.Type)
	case err != nil:
		return fmt.Errorf("options of %s: %w", component, err)
	}
	return nil
}

// optionNames lists the names that an options struct takes, embedded ones included.
func optionNames(options any) ([]string, error) {
	text, err := json.Marshal(options)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(fields)), nil
}

// askedOptions is the component of a record's options that holds what was asked of the engine or log;
// the component "engine" or "log" holds what came of it, defaults included.
const askedOptions = "asked"

// askedText writes options as the flag --option takes their values.
func askedText(options map[string]any) map[string]string {
	texts := make(map[string]string, len(options))
	for name, v := range options {
		if s, ok := v.(string); ok {
			texts[name] = s
		} else if text, err := json.Marshal(v); err == nil { // not Sprint, which writes 1e+07
			texts[name] = string(text)
		}
	}
	return texts
}
