package raft

// inflights is the window of append messages sent to a member and not answered: their last indexes
// and sizes, in a ring that grows up to its bound.
type inflights struct {
	maxMessages int
	maxBytes    uint64
	bytes       uint64
	start, n    int
	ring        []inflight
}

type inflight struct {
	last  Index
	bytes uint64
}

func (f *inflights) reset() { f.start, f.n, f.bytes = 0, 0, 0 }

// full reports whether the next message must wait. Bytes may be exceeded by the one message that
// reaches the bound.
func (f *inflights) full() bool { return f.n == f.maxMessages || f.n > 0 && f.bytes >= f.maxBytes }

// add notes a message that ends at last. Must not be called when full.
func (f *inflights) add(last Index, bytes uint64) {
	if f.n == len(f.ring) {
		grown := make([]inflight, min(max(8, 2*len(f.ring)), f.maxMessages))
		for i := range f.n {
			grown[i] = f.ring[(f.start+i)%len(f.ring)]
		}
		f.ring, f.start = grown, 0
	}
	f.ring[(f.start+f.n)%len(f.ring)] = inflight{last, bytes}
	f.n++
	f.bytes += bytes
}

// free drops the messages that end at or below i.
func (f *inflights) free(i Index) {
	for f.n > 0 && f.ring[f.start].last <= i {
		f.bytes -= f.ring[f.start].bytes
		f.start = (f.start + 1) % len(f.ring)
		f.n--
	}
}
