package replica_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"sync"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/replica"
)

// list is a state machine: the list of all commands, of which it keeps the length and a hash chain.
// Its answer to a command is its place.
type list struct {
	mute    int // so many digests are not to be had
	mu      sync.Mutex
	at      raft.Snapshot
	count   uint64
	chain   []uint64 // chain[i] is the hash over the first i commands; those before a restored image are 0
	durable raft.Index
	lag     raft.Index // durable stays so far behind
	fail    error      // of the next Apply
	conf    []string   // contexts of accepted changes
}

// newList returns the state machine of a founding member, or of one that joins.
func newList(founders ...raft.NodeID) *list {
	l := &list{chain: []uint64{0}}
	if len(founders) > 0 {
		l.at = raft.Snapshot{Index: 1, Term: 1, Conf: raft.ConfState{Voters: founders}}
		l.durable = 1
	}
	return l
}

func (l *list) Applied() raft.Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.at
	s.Conf = l.at.Conf.Clone()
	return s
}

func (l *list) Durable() raft.Index {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable
}

func (l *list) Apply(entries []raft.Entry, results []any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return l.fail
	}
	for i, e := range entries {
		if err := l.advance(e); err != nil {
			return err
		}
		if e.Data == nil {
			continue
		}
		h := fnv.New64a()
		h.Write(binary.LittleEndian.AppendUint64(nil, l.chain[l.count]))
		h.Write(e.Data)
		l.chain = append(l.chain, h.Sum64())
		l.count++
		if results != nil {
			results[i] = l.count
		}
	}
	return nil
}

func (l *list) advance(e raft.Entry) error {
	if e.Index != l.at.Index+1 || e.Term < l.at.Term {
		return fmt.Errorf("entry %d/%d after %d/%d", e.Term, e.Index, l.at.Term, l.at.Index)
	}
	l.at.Index, l.at.Term = e.Index, e.Term
	if e.Index > l.lag {
		l.durable = max(l.durable, e.Index-l.lag)
	}
	return nil
}

func (l *list) ApplyChange(e raft.Entry, cc *raft.ConfChange, change func() (raft.ConfState, error), skip func() error) (any, error) {
	if string(cc.Context) == "refuse" {
		if err := skip(); err != nil {
			return nil, err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		return errors.New("refused by the state machine"), l.advance(e)
	}
	conf, err := change()
	if err != nil && !errors.Is(err, raft.ErrBadConfChange) {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at.Conf = conf.Clone()
	l.conf = append(l.conf, string(cc.Context))
	return conf.String(), l.advance(e)
}

func (l *list) Digest(rev uint64) (at, digest uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mute > 0 {
		l.mute--
		return 0, 0, false
	}
	if rev == 0 {
		rev = l.count
	}
	if rev > l.count || l.chain[rev] == 0 {
		return 0, 0, false
	}
	return rev, l.chain[rev], true
}

func (l *list) Save() (replica.Image, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	img := &listImage{at: l.at}
	img.at.Conf = l.at.Conf.Clone()
	img.data = binary.LittleEndian.AppendUint64(nil, l.count)
	img.data = binary.LittleEndian.AppendUint64(img.data, l.chain[l.count])
	at := img.at.Append(nil)
	img.data = append(binary.LittleEndian.AppendUint32(img.data, uint32(len(at))), at...)
	img.data = append(img.data, bytes.Repeat([]byte("filling "), 50_000)...)
	return img, nil
}

func (l *list) Restore(_ context.Context, r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count = binary.LittleEndian.Uint64(b)
	l.chain = make([]uint64, l.count+1)
	l.chain[l.count] = binary.LittleEndian.Uint64(b[8:])
	n := binary.LittleEndian.Uint32(b[16:])
	l.at = raft.Snapshot{}
	if err := l.at.Decode(b[20 : 20+n]); err != nil {
		return err
	}
	l.durable = l.at.Index
	return nil
}

// last returns the number of commands and the hash over them.
func (l *list) last() (uint64, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count, l.chain[l.count]
}

type listImage struct {
	at   raft.Snapshot
	data []byte
}

func (i *listImage) At() raft.Snapshot { return i.at }
func (i *listImage) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(i.data)
	return int64(n), err
}
func (i *listImage) Close() error { return nil }
