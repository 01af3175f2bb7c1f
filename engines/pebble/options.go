package pebble

import (
	"fmt"

	lib "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/etalon-kv/etalon/engine"
)

// Options configures a Backend. The zero value is ready for use.
type Options struct {
	engine.Options `yaml:",inline"`

	// MemTableBytes is the size of one memtable. 0 = 64 MiB; 1 MiB to 2 GiB.
	MemTableBytes int64 `json:"memTableBytes" yaml:"memTableBytes"`
	// MemTables is how many memtables, the active one included, may wait to be flushed before
	// writes stall. 0 = 4; at least 2.
	MemTables int `json:"memTables" yaml:"memTables"`
	// L0Compaction is the read amplification of level 0 that starts a compaction. 0 = 4.
	L0Compaction int `json:"l0Compaction" yaml:"l0Compaction"`
	// L0Stop is the read amplification of level 0 at which writes stall. 0 = 20; above L0Compaction.
	L0Stop int `json:"l0Stop" yaml:"l0Stop"`
	// LBaseBytes is the size of the first level below level 0. 0 = 64 MiB.
	LBaseBytes int64 `json:"lBaseBytes" yaml:"lBaseBytes"`
	// TargetFileBytes is the size of tables in level 0, doubled per level below. 0 = 2 MiB.
	TargetFileBytes int64 `json:"targetFileBytes" yaml:"targetFileBytes"`
	// Compactions is how many compactions may run at once. 0 = 2.
	Compactions int `json:"compactions" yaml:"compactions"`
	// BlockBytes is the size of a block of a table before compression. 0 = 4 KiB; 512 B to 1 MiB.
	BlockBytes int `json:"blockBytes" yaml:"blockBytes"`
	// BloomBits is the size of the bloom filter in bits a key. 0 = 10; -1 = no filter; at most 64.
	BloomBits int `json:"bloomBits" yaml:"bloomBits"`
	// Compression is "snappy" (also ""), "zstd" or "none", on every level.
	Compression string `json:"compression" yaml:"compression"`
	// BytesPerSync makes pebble hand table data to the disk in pieces of this size while a table
	// is written, to smooth the load. 0 = 512 KiB.
	BytesPerSync int `json:"bytesPerSync" yaml:"bytesPerSync"`
	// WALBytesPerSync is the same for the log, which is synced in any case when asked for. 0 = off.
	WALBytesPerSync int `json:"walBytesPerSync" yaml:"walBytesPerSync"`
}

// Validate fills defaults and refuses nonsense: the error names the option, its value and what is
// accepted.
func (o *Options) Validate() error {
	if o.CacheBytes == 0 {
		o.CacheBytes = engine.DefaultCacheBytes
	}
	if o.Compression == "" {
		o.Compression = "snappy"
	}
	checks := []struct {
		name        string
		get         func() int64
		set         func(int64)
		zero        int64 // what 0 stands for
		least, most int64
	}{
		{"cacheBytes", func() int64 { return o.CacheBytes }, func(v int64) { o.CacheBytes = v }, engine.DefaultCacheBytes, 1 << 20, 1 << 40},
		{"memTableBytes", func() int64 { return o.MemTableBytes }, func(v int64) { o.MemTableBytes = v }, 64 << 20, 1 << 20, 2 << 30},
		{"memTables", func() int64 { return int64(o.MemTables) }, func(v int64) { o.MemTables = int(v) }, 4, 2, 1000},
		{"l0Compaction", func() int64 { return int64(o.L0Compaction) }, func(v int64) { o.L0Compaction = int(v) }, 4, 1, 1 << 20},
		{"l0Stop", func() int64 { return int64(o.L0Stop) }, func(v int64) { o.L0Stop = int(v) }, 20, 2, 1 << 20},
		{"lBaseBytes", func() int64 { return o.LBaseBytes }, func(v int64) { o.LBaseBytes = v }, 64 << 20, 1 << 20, 1 << 40},
		{"targetFileBytes", func() int64 { return o.TargetFileBytes }, func(v int64) { o.TargetFileBytes = v }, 2 << 20, 64 << 10, 1 << 30},
		{"compactions", func() int64 { return int64(o.Compactions) }, func(v int64) { o.Compactions = int(v) }, 2, 1, 1024},
		{"blockBytes", func() int64 { return int64(o.BlockBytes) }, func(v int64) { o.BlockBytes = int(v) }, 4 << 10, 512, 1 << 20},
		{"bloomBits", func() int64 { return int64(o.BloomBits) }, func(v int64) { o.BloomBits = int(v) }, 10, -1, 64},
		{"bytesPerSync", func() int64 { return int64(o.BytesPerSync) }, func(v int64) { o.BytesPerSync = int(v) }, 512 << 10, 4 << 10, 1 << 30},
		{"walBytesPerSync", func() int64 { return int64(o.WALBytesPerSync) }, func(v int64) { o.WALBytesPerSync = int(v) }, 0, 0, 1 << 30},
	}
	for _, c := range checks {
		v := c.get()
		if v == 0 {
			v = c.zero
			c.set(v)
		}
		if v < c.least || v > c.most {
			return fmt.Errorf("pebble: option %s is %d, want %d to %d", c.name, v, c.least, c.most)
		}
	}
	if o.L0Stop <= o.L0Compaction {
		return fmt.Errorf("pebble: option l0Stop is %d, want more than l0Compaction, %d", o.L0Stop, o.L0Compaction)
	}
	if _, err := o.compression(); err != nil {
		return err
	}
	return nil
}

func (o *Options) compression() (*block.CompressionProfile, error) {
	switch o.Compression {
	case "snappy":
		return block.SnappyCompression, nil
	case "zstd":
		return block.ZstdCompression, nil
	case "none":
		return block.NoCompression, nil
	}
	return nil, fmt.Errorf("pebble: option compression is %q, want snappy, zstd or none", o.Compression)
}

// library translates validated options. format is the on-disk format of the directory.
func (o *Options) library(fs vfs.FS, format lib.FormatMajorVersion) *lib.Options {
	profile, _ := o.compression()
	opts := &lib.Options{
		FS:                          fs,
		FormatMajorVersion:          format,
		CacheSize:                   o.CacheBytes,
		MemTableSize:                uint64(o.MemTableBytes),
		MemTableStopWritesThreshold: o.MemTables,
		L0CompactionThreshold:       o.L0Compaction,
		L0StopWritesThreshold:       o.L0Stop,
		LBaseMaxBytes:               o.LBaseBytes,
		CompactionConcurrencyRange:  func() (int, int) { return 1, o.Compactions },
		BytesPerSync:                o.BytesPerSync,
		WALBytesPerSync:             o.WALBytesPerSync,
	}
	for i := range opts.Levels {
		opts.Levels[i].BlockSize = o.BlockBytes
		opts.Levels[i].Compression = func() *block.CompressionProfile { return profile }
		if o.BloomBits > 0 {
			opts.Levels[i].FilterPolicy = bloom.FilterPolicy(o.BloomBits)
			opts.Levels[i].FilterType = lib.TableFilter
		}
	}
	for i := range opts.TargetFileSizes {
		opts.TargetFileSizes[i] = o.TargetFileBytes << i
	}
	opts.EnsureDefaults()
	return opts
}
