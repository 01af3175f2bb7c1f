package raft

// Bits of a message's second byte.
const (
	flagReject = 1 << iota
	flagForce
	flagSnapshot
	flagsEnd
)

// Bits of an entry's head inside a message; the length of its data follows above them. Most entries
// directly follow the one before in the same term, and their head is all they cost.
const (
	headConfChange = 1 << iota
	headTerm       // the term follows: it differs from that of the entry before
	headIndex      // the index follows: it is not one more than that of the entry before
	headBits       = iota
)

// Append appends the binary form of m. Entry types must be valid.
func (m *Message) Append(dst []byte) []byte {
	flags := byte(0)
	if m.Reject {
		flags |= flagReject
	}
	if m.Force {
		flags |= flagForce
	}
	if m.Snapshot != nil {
		flags |= flagSnapshot
	}
	dst = append(dst, byte(m.Type), flags)
	for _, v := range [...]uint64{uint64(m.To), uint64(m.From), m.Group, uint64(m.Term), uint64(m.LogTerm),
		uint64(m.Index), uint64(m.Commit), uint64(m.Hint), m.Session, m.Context, uint64(len(m.Entries))} {
		dst = appendUint(dst, v)
	}
	t, i := m.LogTerm, m.Index
	for j := range m.Entries {
		e := &m.Entries[j]
		dst = e.appendAfter(dst, t, i)
		t, i = e.Term, e.Index
	}
	if m.Snapshot != nil {
		dst = m.Snapshot.Append(dst)
	}
	return dst
}

// appendAfter appends e as one that follows an entry with that term and index.
func (e *Entry) appendAfter(dst []byte, t Term, i Index) []byte {
	head := uint64(len(e.Data)) << headBits
	if e.Type == EntryConfChange {
		head |= headConfChange
	}
	if e.Term != t {
		head |= headTerm
	}
	if e.Index != i+1 {
		head |= headIndex
	}
	dst = appendUint(dst, head)
	if e.Term != t {
		dst = appendUint(dst, uint64(e.Term))
	}
	if e.Index != i+1 {
		dst = appendUint(dst, uint64(e.Index))
	}
	return append(dst, e.Data...)
}

// Decode sets m to what Append wrote. Data of entries and snapshot alias b. It looks at form only;
// Step refuses messages that are well formed and make no sense.
func (m *Message) Decode(b []byte) error {
	d := reader{b: b}
	typ, flags := d.byte(), d.byte()
	if typ == 0 || typ > byte(lastMessageType) || flags >= flagsEnd {
		d.fail("unknown message type or flag")
	}
	*m = Message{Type: MessageType(typ), Reject: flags&flagReject != 0, Force: flags&flagForce != 0,
		To: NodeID(d.uint()), From: NodeID(d.uint()), Group: d.uint(), Term: Term(d.uint()), LogTerm: Term(d.uint()),
		Index: Index(d.uint()), Commit: Index(d.uint()), Hint: Index(d.uint()), Session: d.uint(), Context: d.uint()}
	if n := d.count(maxBatch); n > 0 {
		m.Entries = make([]Entry, n)
		t, i := m.LogTerm, m.Index
		for j := range m.Entries {
			d.entryAfter(&m.Entries[j], t, i)
			t, i = m.Entries[j].Term, m.Entries[j].Index
		}
	}
	if flags&flagSnapshot != 0 && d.err == nil {
		m.Snapshot = new(Snapshot)
		if err := m.Snapshot.Decode(d.b); err != nil {
			return err
		}
		d.b = nil
	}
	return d.end()
}

func (d *reader) entryAfter(e *Entry, t Term, i Index) {
	head := d.uint()
	e.Type, e.Term, e.Index = EntryNormal, t, i+1
	if head&headConfChange != 0 {
		e.Type = EntryConfChange
	}
	if head&headTerm != 0 {
		if e.Term = Term(d.uint()); e.Term == t {
			d.fail("term not in its shortest form")
		}
	}
	if head&headIndex != 0 {
		if e.Index = Index(d.uint()); e.Index == i+1 {
			d.fail("index not in its shortest form")
		}
	}
	e.Data = d.bytes(head >> headBits)
}
