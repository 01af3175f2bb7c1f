package wire

import "github.com/etalon-kv/etalon/mvcc"

// WatchResponse is the message of that name.
type WatchResponse struct {
	Header            Header
	ID                int64
	Created, Canceled bool
	CompactRev        int64
	Reason            string
	Fragment          bool
	Events            []mvcc.Event
}

// Size is the length of the encoded message.
func (r *WatchResponse) Size() int {
	n := sizeBlock(r.Header.size()) + sizeInt(r.ID) + sizeBool(r.Created) + sizeBool(r.Canceled) +
		sizeInt(r.CompactRev) + sizeBool(r.Fragment)
	if len(r.Reason) > 0 {
		n += sizeBlock(len(r.Reason))
	}
	for i := range r.Events {
		n += sizeBlock(sizeEvent(&r.Events[i]))
	}
	return n
}

// Append appends the encoded message.
func (r *WatchResponse) Append(b []byte) []byte {
	b = r.Header.append(appendBlock(b, 1, r.Header.size()))
	b = appendInt(b, 2, r.ID)
	b = appendBool(b, 3, r.Created)
	b = appendBool(b, 4, r.Canceled)
	b = appendInt(b, 5, r.CompactRev)
	if len(r.Reason) > 0 {
		b = append(appendBlock(b, 6, len(r.Reason)), r.Reason...)
	}
	b = appendBool(b, 7, r.Fragment)
	for i := range r.Events {
		e := &r.Events[i]
		b = appendEvent(appendBlock(b, 11, sizeEvent(e)), e)
	}
	return b
}

// EventSize is what e adds to the length of a message.
func EventSize(e *mvcc.Event) int { return sizeBlock(sizeEvent(e)) }

func sizeEvent(e *mvcc.Event) int {
	n := sizeBool(e.Tombstone) + sizeBlock(sizeKV(&e.KeyValue))
	if e.Prev != nil {
		n += sizeBlock(sizeKV(e.Prev))
	}
	return n
}

// appendEvent writes the type as a bool: PUT is 0, DELETE 1.
func appendEvent(b []byte, e *mvcc.Event) []byte {
	b = appendBool(b, 1, e.Tombstone)
	b = appendKV(appendBlock(b, 2, sizeKV(&e.KeyValue)), &e.KeyValue)
	if e.Prev != nil {
		b = appendKV(appendBlock(b, 3, sizeKV(e.Prev)), e.Prev)
	}
	return b
}
