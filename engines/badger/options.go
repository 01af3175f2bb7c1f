package badger

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"strings"

	lib "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/etalon-kv/etalon/engine"
)

// valueThreshold is badger's maximum: only values of at least this size go to the value log, and
// batches with such values are refused.
const valueThreshold = 1 << 20

// Options configures a Backend. The zero value is ready for use.
type Options struct {
	engine.Options `yaml:",inline"`

	// MemTableBytes is the size of one memtable; 15 % of it bounds a batch. 0 = 64 MiB; 8 MiB to
	// 1 GiB.
	MemTableBytes int64 `json:"memTableBytes" yaml:"memTableBytes"`
	// MemTables is how many memtables may wait to be flushed before writes stall. 0 = 5; at most 48.
	MemTables int `json:"memTables" yaml:"memTables"`
	// L0Tables is the number of tables in level 0 that starts a compaction. 0 = 5.
	L0Tables int `json:"l0Tables" yaml:"l0Tables"`
	// L0Stall is the number of tables in level 0 at which flushes stall. 0 = 15; above L0Tables.
	L0Stall int `json:"l0Stall" yaml:"l0Stall"`
	// TableBytes is the size of a table in the first level below level 0. 0 = 2 MiB.
	TableBytes int64 `json:"tableBytes" yaml:"tableBytes"`
	// LevelBytes is the size of the first level below level 0. 0 = 10 MiB.
	LevelBytes int64 `json:"levelBytes" yaml:"levelBytes"`
	// LevelMultiplier is how much larger each level is than the one above it. 0 = 10.
	LevelMultiplier int `json:"levelMultiplier" yaml:"levelMultiplier"`
	// Compactors is the number of goroutines that compact. 0 = 4; at least 2.
	Compactors int `json:"compactors" yaml:"compactors"`
	// BlockBytes is the size of a block of a table before compression. 0 = 4 KiB.
	BlockBytes int `json:"blockBytes" yaml:"blockBytes"`
	// BloomFalsePositive is the rate of false positives of the bloom filters. 0 = 0.01; below 1.
	BloomFalsePositive float64 `json:"bloomFalsePositive" yaml:"bloomFalsePositive"`
	// Compression is "snappy" (also ""), "zstd" or "none", on every level.
	Compression string `json:"compression" yaml:"compression"`
	// SkipVerify opens a directory without reading every table first. Then damage that badger does
	// not notice may go unseen, and damage that it notices may end the process.
	SkipVerify bool `json:"skipVerify" yaml:"skipVerify"`
}

// Validate fills defaults and refuses nonsense: the error names the option, its value and what is
// accepted.
func (o *Options) Validate() error {
	if o.Compression == "" {
		o.Compression = "snappy"
	}
	if o.BloomFalsePositive == 0 {
		o.BloomFalsePositive = 0.01
	}
	if !(o.BloomFalsePositive > 0 && o.BloomFalsePositive < 1) {
		return fmt.Errorf("badger: option bloomFalsePositive is %v, want above 0 and below 1", o.BloomFalsePositive)
	}
	checks := []struct {
		name              string
		get               func() int64
		set               func(int64)
		zero, least, most int64 // zero is what 0 stands for
	}{
		{"cacheBytes", func() int64 { return o.CacheBytes }, func(v int64) { o.CacheBytes = v }, engine.DefaultCacheBytes, 1 << 20, 1 << 40},
		{"memTableBytes", func() int64 { return o.MemTableBytes }, func(v int64) { o.MemTableBytes = v }, 64 << 20, 8 << 20, 1 << 30},
		{"memTables", func() int64 { return int64(o.MemTables) }, func(v int64) { o.MemTables = int(v) }, 5, 1, 48},
		{"l0Tables", func() int64 { return int64(o.L0Tables) }, func(v int64) { o.L0Tables = int(v) }, 5, 1, 1 << 20},
		{"l0Stall", func() int64 { return int64(o.L0Stall) }, func(v int64) { o.L0Stall = int(v) }, 15, 2, 1 << 20},
		{"tableBytes", func() int64 { return o.TableBytes }, func(v int64) { o.TableBytes = v }, 2 << 20, 64 << 10, 1 << 30},
		{"levelBytes", func() int64 { return o.LevelBytes }, func(v int64) { o.LevelBytes = v }, 10 << 20, 64 << 10, 1 << 40},
		{"levelMultiplier", func() int64 { return int64(o.LevelMultiplier) }, func(v int64) { o.LevelMultiplier = int(v) }, 10, 2, 1000},
		{"compactors", func() int64 { return int64(o.Compactors) }, func(v int64) { o.Compactors = int(v) }, 4, 2, 1024},
		{"blockBytes", func() int64 { return int64(o.BlockBytes) }, func(v int64) { o.BlockBytes = int(v) }, 4 << 10, 512, 1 << 20},
	}
	for _, c := range checks {
		v := c.get()
		if v == 0 {
			v = c.zero
			c.set(v)
		}
		if v < c.least || v > c.most {
			return fmt.Errorf("badger: option %s is %d, want %d to %d", c.name, v, c.least, c.most)
		}
	}
	if o.L0Stall <= o.L0Tables {
		return fmt.Errorf("badger: option l0Stall is %d, want more than l0Tables, %d", o.L0Stall, o.L0Tables)
	}
	_, err := o.compression()
	return err
}

func (o *Options) compression() (options.CompressionType, error) {
	switch o.Compression {
	case "snappy":
		return options.Snappy, nil
	case "zstd":
		return options.ZSTD, nil
	case "none":
		return options.None, nil
	}
	return 0, fmt.Errorf("badger: option compression is %q, want snappy, zstd or none", o.Compression)
}

// library translates validated options.
func (o *Options) library(dir string) lib.Options {
	opts := lib.DefaultOptions(dir)
	opts.Logger = nil
	opts.SyncWrites = false
	opts.DetectConflicts = false
	opts.NumVersionsToKeep = 1
	opts.MetricsEnabled = true
	opts.VerifyValueChecksum = true
	opts.ValueThreshold = valueThreshold
	opts.ValueLogFileSize = 1 << 24 // it stays empty; its map need not be large
	opts.ChecksumVerificationMode = options.OnBlockRead
	opts.BlockCacheSize = o.CacheBytes
	opts.MemTableSize = o.MemTableBytes
	opts.NumMemtables = o.MemTables
	opts.NumLevelZeroTables = o.L0Tables
	opts.NumLevelZeroTablesStall = o.L0Stall
	opts.BaseTableSize = o.TableBytes
	opts.BaseLevelSize = o.LevelBytes
	opts.LevelSizeMultiplier = o.LevelMultiplier
	opts.NumCompactors = o.Compactors
	opts.BlockSize = o.BlockBytes
	opts.BloomFalsePositive = o.BloomFalsePositive
	opts.Compression, _ = o.compression()
	return opts
}

// Options are the adapter's own by their names in JSON, and badger's as badger.Field.
func (b *backend) Options() map[string]string {
	m := map[string]string{
		"cacheBytes":         fmt.Sprint(b.opts.CacheBytes),
		"memTableBytes":      fmt.Sprint(b.opts.MemTableBytes),
		"memTables":          fmt.Sprint(b.opts.MemTables),
		"l0Tables":           fmt.Sprint(b.opts.L0Tables),
		"l0Stall":            fmt.Sprint(b.opts.L0Stall),
		"tableBytes":         fmt.Sprint(b.opts.TableBytes),
		"levelBytes":         fmt.Sprint(b.opts.LevelBytes),
		"levelMultiplier":    fmt.Sprint(b.opts.LevelMultiplier),
		"compactors":         fmt.Sprint(b.opts.Compactors),
		"blockBytes":         fmt.Sprint(b.opts.BlockBytes),
		"bloomFalsePositive": fmt.Sprint(b.opts.BloomFalsePositive),
		"compression":        b.opts.Compression,
		"skipVerify":         fmt.Sprint(b.opts.SkipVerify),
	}
	opts := b.db.Opts()
	v := reflect.ValueOf(opts)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch f.Name {
		case "Dir", "ValueDir", "Logger", "EncryptionKey": // places and secrets are no options of a run
			continue
		}
		if f.IsExported() {
			m["badger."+f.Name] = fmt.Sprint(v.Field(i).Interface())
		}
	}
	return m
}

// logger carries badger's messages to slog, if there is one, and its complaints to a function.
type logger struct {
	out       *slog.Logger
	complaint func(level slog.Level, message string)
}

func (l *logger) Errorf(f string, a ...any)   { l.complain(slog.LevelError, f, a) }
func (l *logger) Warningf(f string, a ...any) { l.complain(slog.LevelWarn, f, a) }
func (l *logger) Infof(f string, a ...any)    { l.log(slog.LevelDebug, f, a) }
func (l *logger) Debugf(string, ...any)       {} // once per write

func (l *logger) complain(level slog.Level, f string, a []any) {
	l.complaint(level, strings.TrimSpace(fmt.Sprintf(f, a...)))
	l.log(level, f, a)
}

func (l *logger) log(level slog.Level, f string, a []any) {
	if l.out != nil {
		l.out.Log(context.Background(), level, "badger", "message", fmt.Sprintf(f, a...))
	}
}
