package server

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/raft"
)

// Config is what a Server is made of.
type Config struct {
	// Replica and State are the member that is served, and the state machine that it replicates.
	// Both are required, and stay the caller's.
	Replica Replica
	State   *apply.Machine
	// Cluster and Member are what response headers tell. Member is required.
	Cluster uint64
	Member  raft.NodeID
	// ElectionTimeout is that of the group: half as much again is the least time to live of a lease.
	// 0 = 1 s.
	ElectionTimeout time.Duration
	// MaxRequestBytes bounds a request that goes through the log. 0 = 1.5 MiB.
	MaxRequestBytes int
	// MaxTxnOps bounds the operations of a transaction. 0 = 128; at most apply.MaxTxnOps.
	MaxTxnOps int
	// MaxStreams bounds the concurrent calls of one connection. 0 = no bound.
	MaxStreams uint32
	// QuotaBytes is the size of the store from which on nothing may be added. 0 = 2 GiB, negative:
	// no bound.
	QuotaBytes int64
	// WatchProgressInterval is how often idle watches that want to be are notified. 0 = 10 min;
	// at least 100 ms.
	WatchProgressInterval time.Duration
	// Retention is how much history is kept by itself.
	Retention Retention
	// Loose lets membership changes pass with which members that never started are needed for a quorum.
	Loose bool
	// MaxLearners bounds the learners of the cluster. 0 = 1.
	MaxLearners int
	// LeaseCheckpoint is how often what longer leases have left is recorded, so that a new leader need
	// not give them all their time again. 0 = never.
	LeaseCheckpoint time.Duration
	// Stages, if not nil, is what the replica tells of its stages, for Figures.
	Stages *Stages
	// Now is the clock for leases. nil = time.Now.
	Now func() time.Time
	// Logger: nil discards.
	Logger *slog.Logger
}

// Defaults, those of etcd.
const (
	DefaultElectionTimeout       = time.Second
	DefaultMaxRequestBytes       = 3 << 19
	DefaultMaxTxnOps             = 128
	DefaultQuotaBytes            = 2 << 30
	DefaultWatchProgressInterval = 10 * time.Minute
	leastWatchProgressInterval   = 100 * time.Millisecond
	// messageOverhead is what a message may be larger than the request in it.
	messageOverhead = 512 << 10
	// commandOverhead is what etcd's log entry has besides the request, which counts for its limit.
	commandOverhead = 18
)

// Validate fills in defaults and refuses what makes no sense.
func (c *Config) Validate() error {
	switch {
	case c.Replica == nil || c.State == nil:
		return errors.New("server: Config needs Replica and State")
	case c.Member == raft.None:
		return errors.New("server: Config.Member is 0")
	case c.ElectionTimeout < 0 || c.MaxRequestBytes < 0 || c.MaxTxnOps < 0 || c.WatchProgressInterval < 0 || c.MaxLearners < 0 ||
		c.Retention.Period < 0 || c.Retention.Revisions < 0:
		return fmt.Errorf("server: negative limit in %+v", *c)
	case c.MaxTxnOps > apply.MaxTxnOps:
		return fmt.Errorf("server: Config.MaxTxnOps is %d, at most %d", c.MaxTxnOps, apply.MaxTxnOps)
	}
	if c.ElectionTimeout == 0 {
		c.ElectionTimeout = DefaultElectionTimeout
	}
	if c.MaxRequestBytes == 0 {
		c.MaxRequestBytes = DefaultMaxRequestBytes
	}
	if c.MaxTxnOps == 0 {
		c.MaxTxnOps = DefaultMaxTxnOps
	}
	if c.QuotaBytes == 0 {
		c.QuotaBytes = DefaultQuotaBytes
	}
	if c.WatchProgressInterval == 0 {
		c.WatchProgressInterval = DefaultWatchProgressInterval
	}
	c.WatchProgressInterval = max(c.WatchProgressInterval, leastWatchProgressInterval)
	if c.MaxLearners == 0 {
		c.MaxLearners = 1
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// maxMessageBytes bounds a message that a client sends.
func (c *Config) maxMessageBytes() int { return c.MaxRequestBytes + messageOverhead }

// requestTimeout is how long a request may take that waits for others: etcd's five seconds, and two
// elections.
func (c *Config) requestTimeout() time.Duration { return 5*time.Second + 2*c.ElectionTimeout }
