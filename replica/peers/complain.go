package peers

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/etalon-kv/etalon/raft"
)

// complaintInterval is how often at most something is complained about, whoever knocks.
const complaintInterval = time.Second

// complaints are what was complained about last.
type complaints struct {
	mu   sync.Mutex
	last time.Time
}

func (c *complaints) due(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.last.IsZero() && now.Sub(c.last) < complaintInterval {
		return false
	}
	c.last = now
	return true
}

// complain logs why a connection ended: as a warning where somebody has to do something about it, now and
// then. That connections break is nothing special.
func (t *TCP) complain(what string, id raft.NodeID, err error, more ...any) {
	level := slog.LevelDebug
	for _, bad := range [...]error{ErrVersion, ErrGroup, ErrMember, ErrRemoved, ErrIncarnation, ErrMalformed} {
		if errors.Is(err, bad) && t.complaints.due(time.Now()) {
			level = slog.LevelWarn
			break
		}
	}
	t.cfg.Logger.Log(context.Background(), level, what, append([]any{"peer", uint64(id), "error", err}, more...)...)
}
