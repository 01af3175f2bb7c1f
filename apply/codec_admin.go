package apply

// Append appends the binary form of c.
func (c *Compact) Append(dst []byte) []byte { return appendInt(append(dst, byte(KindCompact)), c.Rev) }

// Append appends the binary form of g.
func (g *LeaseGrant) Append(dst []byte) []byte {
	return appendInt(appendInt(append(dst, byte(KindLeaseGrant)), int64(g.ID)), g.TTL)
}

// Append appends the binary form of r.
func (r *LeaseRevoke) Append(dst []byte) []byte {
	return appendUint(appendUint(appendInt(append(dst, byte(KindLeaseRevoke)), int64(r.ID)), r.Term), r.Grant)
}

// Append appends the binary form of c.
func (c *LeaseCheckpoint) Append(dst []byte) []byte {
	dst = appendUint(appendUint(append(dst, byte(KindLeaseCheckpoint)), c.Term), c.Seq)
	dst = appendUint(dst, uint64(len(c.Leases)))
	for _, l := range c.Leases {
		dst = appendInt(appendUint(appendInt(dst, int64(l.ID)), l.Grant), l.Remaining)
	}
	return dst
}

func (d *reader) checkpoint() *LeaseCheckpoint {
	c := &LeaseCheckpoint{Term: d.uint(), Seq: d.uint()}
	n := d.count(3)
	if n == 0 {
		return c
	}
	c.Leases = make([]LeaseRemaining, n)
	for i := range c.Leases {
		c.Leases[i] = LeaseRemaining{ID: LeaseID(d.int()), Grant: d.uint(), Remaining: d.int()}
	}
	return c
}

// Append appends the binary form of a.
func (a *Alarm) Append(dst []byte) []byte {
	dst = appendUint(append(dst, byte(KindAlarm)), a.Member)
	return append(dst, byte(a.Type), flag(a.Clear, 1))
}

const memberFields = byte(MemberName | MemberClientURLs | MemberPeerURLs | MemberIncarnation | MemberMaxWriteBytes)

// Append appends the binary form of s.
func (s *SetMember) Append(dst []byte) []byte {
	return s.Member.append(append(dst, byte(KindSetMember), byte(s.Fields)))
}

// Append appends the binary form of c.
func (c *MemberChange) Append(dst []byte) []byte {
	dst = appendUint(append(dst, byte(KindMemberChange), flag(c.Promote, 1)), c.MaxLearners)
	return c.Member.append(dst)
}

func (m *Member) append(dst []byte) []byte {
	dst = appendUint(dst, m.ID)
	dst = append(appendUint(dst, uint64(len(m.Name))), m.Name...)
	dst = appendStrings(appendStrings(dst, m.PeerURLs), m.ClientURLs)
	return appendUint(appendUint(append(dst, flag(m.Learner, 1)), m.Incarnation), m.MaxWriteBytes)
}

func (d *reader) member() Member {
	return Member{
		ID: d.uint(), Name: string(d.bytes()), PeerURLs: d.strings(), ClientURLs: d.strings(),
		Learner: d.enum(1) == 1, Incarnation: d.uint(), MaxWriteBytes: d.uint(),
	}
}

// Append appends the binary form of v.
func (v *ClusterVersion) Append(dst []byte) []byte {
	dst = append(dst, byte(KindClusterVersion))
	return append(appendUint(dst, uint64(len(v.Version))), v.Version...)
}
