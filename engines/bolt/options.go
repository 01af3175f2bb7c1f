package bolt

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"go.etcd.io/bbolt"

	"github.com/etalon-kv/etalon/engine"
)

// Defaults that zero fields of Options stand for.
const (
	DefaultGrowBytes   = 16 << 20
	DefaultLockTimeout = time.Second
)

// Freelists that bbolt knows.
const (
	FreelistMap   = "map"   // etcd's choice; slower to sync, fast to search
	FreelistArray = "array" // bbolt's own default; degrades when large and fragmented
)

const (
	minPageBytes = 1 << 10
	maxPageBytes = 64 << 10
	maxMapBytes  = 64 << 40
)

// Options of one store. The zero value is ready to use.
type Options struct {
	// CacheBytes of the shared options is ignored: bolt reads through the kernel's page cache.
	engine.Options `yaml:",inline"`

	// PageBytes is the page size of a new file, a power of two from 1 KiB to 64 KiB; 0 = the
	// system's page size. An existing file keeps the one it was made with.
	PageBytes int `json:"pageBytes" yaml:"pageBytes"`
	// MapBytes is the address space reserved for the file, and the most the file may grow to
	// before it must be reopened; rounded up to a power of two, above 1 GiB to whole GiB. 0 = 1 TiB
	// (1 GiB on 32-bit systems), at most 64 TiB. Never less than twice the existing file and
	// GrowBytes is reserved.
	MapBytes int64 `json:"mapBytes" yaml:"mapBytes"`
	// GrowBytes is the step in which a file above this size grows; 0 = 16 MiB. At most 1 GiB.
	GrowBytes int `json:"growBytes" yaml:"growBytes"`
	// Freelist is FreelistMap or FreelistArray; "" = FreelistMap.
	Freelist string `json:"freelist" yaml:"freelist"`
	// NoFreelistSync keeps the list of free pages out of the file: commits write less, and Open
	// reads the whole tree to find them again.
	NoFreelistSync bool `json:"noFreelistSync" yaml:"noFreelistSync"`
	// FillPercent is how full a page is left when it is split, from 0.1 to 1. 0 = 1 for a batch
	// whose keys are all above those of their space, 0.5 for others.
	FillPercent float64 `json:"fillPercent" yaml:"fillPercent"`
	// LockTimeout is how long Open waits for the lock of the file itself, which another program
	// that uses bbolt may hold, before it answers engine.ErrInUse; 0 = 1 s.
	LockTimeout time.Duration `json:"lockTimeout" yaml:"lockTimeout"`
	// LazyPages leaves it to the readers to enter what was committed into the process's page table: then
	// only what is read counts as resident memory, and the first look at a page costs a fault.
	LazyPages bool `json:"lazyPages" yaml:"lazyPages"`
}

// Validate puts defaults in the place of zero values and refuses what makes no sense.
func (o *Options) Validate() error {
	setDefault(&o.PageBytes, os.Getpagesize())
	setDefault(&o.GrowBytes, DefaultGrowBytes)
	setDefault(&o.LockTimeout, DefaultLockTimeout)
	setDefault(&o.Freelist, FreelistMap)
	if strconv.IntSize == 32 {
		setDefault(&o.MapBytes, 1<<30)
	}
	setDefault(&o.MapBytes, 1<<40)
	switch {
	case o.CacheBytes < 0:
		return fmt.Errorf("bolt: cacheBytes is %d, want 0 (default) or more", o.CacheBytes)
	case o.PageBytes < minPageBytes || o.PageBytes > maxPageBytes || o.PageBytes&(o.PageBytes-1) != 0:
		return fmt.Errorf("bolt: pageBytes is %d, want a power of two from %d to %d", o.PageBytes, minPageBytes, maxPageBytes)
	case o.MapBytes < 32<<10 || o.MapBytes > min(maxMapBytes, int64(^uint(0)>>1)):
		return fmt.Errorf("bolt: mapBytes is %d, want 32 KiB to 64 TiB (32-bit systems: 2 GiB)", o.MapBytes)
	case o.GrowBytes < o.PageBytes || o.GrowBytes > 1<<30:
		return fmt.Errorf("bolt: growBytes is %d, want at least a page (%d) and at most 1 GiB", o.GrowBytes, o.PageBytes)
	case o.Freelist != FreelistMap && o.Freelist != FreelistArray:
		return fmt.Errorf("bolt: freelist is %q, want %q or %q", o.Freelist, FreelistMap, FreelistArray)
	case !(o.FillPercent == 0 || o.FillPercent >= 0.1 && o.FillPercent <= 1): // also refuses NaN
		return fmt.Errorf("bolt: fillPercent is %g, want 0 (as it fits) or 0.1 to 1", o.FillPercent)
	case o.LockTimeout < 0:
		return fmt.Errorf("bolt: lockTimeout is %v, want more than 0", o.LockTimeout)
	}
	return nil
}

func setDefault[T comparable](p *T, def T) {
	var zero T
	if *p == zero {
		*p = def
	}
}

// library are the options as bbolt takes them, for a map of mapBytes.
func (o *Options) library(mapBytes int64) *bbolt.Options {
	freelist := bbolt.FreelistMapType
	if o.Freelist == FreelistArray {
		freelist = bbolt.FreelistArrayType
	}
	return &bbolt.Options{
		Timeout:         o.LockTimeout,
		NoFreelistSync:  o.NoFreelistSync,
		FreelistType:    freelist,
		InitialMmapSize: int(mapBytes),
		MaxSize:         int(mapBytes),
		PageSize:        o.PageBytes,
	}
}

// Options are the effective options, those of bbolt that are not offered included.
func (s *store) Options() map[string]string {
	fill := "1 for keys in order, else 0.5"
	if s.opts.FillPercent != 0 {
		fill = strconv.FormatFloat(s.opts.FillPercent, 'g', -1, 64)
	}
	return map[string]string{
		"engine":         "bolt",
		"cacheBytes":     "ignored: the kernel's page cache is used",
		"pageBytes":      strconv.Itoa(s.db.pageBytes),
		"mapBytes":       strconv.FormatInt(s.db.mapBytes, 10),
		"growBytes":      strconv.Itoa(s.opts.GrowBytes),
		"freelist":       s.opts.Freelist,
		"noFreelistSync": strconv.FormatBool(s.opts.NoFreelistSync),
		"fillPercent":    fill,
		"lockTimeout":    s.opts.LockTimeout.String(),
		"noSync":         "false",
		"noGrowSync":     "false",
		"mlock":          "false",
		"mmapFlags":      "0",
		"noStatistics":   "false",
	}
}
