package apply

import "github.com/etalon-kv/etalon/mvcc"

// Kind is the first byte of an encoded command. Kinds are stored in logs: their numbers never change.
type Kind byte

// The kinds of commands. KindRange occurs only inside a Txn: reads do not go through the log.
const (
	KindPut             Kind = 1
	KindDeleteRange     Kind = 2
	KindRange           Kind = 3
	KindTxn             Kind = 4
	KindCompact         Kind = 5
	KindLeaseGrant      Kind = 6
	KindLeaseRevoke     Kind = 7
	KindLeaseCheckpoint Kind = 8
	KindAlarm           Kind = 9
	KindSetMember       Kind = 10
	KindClusterVersion  Kind = 11
	KindMemberChange    Kind = 12
)

// Command is what an entry of the log carries: *Put, *DeleteRange, *Txn, *Compact, *LeaseGrant,
// *LeaseRevoke, *LeaseCheckpoint, *Alarm, *SetMember, *ClusterVersion; and *MemberChange as the
// context of a membership change.
type Command interface {
	// Append appends the binary form, Kind first, to dst. It keeps nothing of either.
	Append(dst []byte) []byte
}

// LeaseID names a lease. 0 is no lease.
type LeaseID int64

// KeyValue is a key as it was at some revision.
type KeyValue = mvcc.KeyValue

// Put writes Value to Key and attaches it to Lease, 0 for none, which detaches it from another.
type Put struct {
	Key, Value []byte
	Lease      LeaseID
	// PrevKV asks for what the key was before.
	PrevKV bool
	// IgnoreValue and IgnoreLease keep what the key has; it must exist.
	IgnoreValue, IgnoreLease bool
}

// DeleteRange deletes the keys of a range: Key alone if End is empty, all from Key on if End is one
// zero byte, else those of [Key, End), none if that ends before it begins.
type DeleteRange struct {
	Key, End []byte
	PrevKV   bool
}

// SortOrder and SortTarget say in which order a Range answers. Numbers as in etcd's API.
type (
	SortOrder  byte
	SortTarget byte
)

// The orders. SortNone is ascending, too, for a target other than the key.
const (
	SortNone SortOrder = iota
	SortAscend
	SortDescend
)

// The targets.
const (
	SortByKey SortTarget = iota
	SortByVersion
	SortByCreate
	SortByMod
	SortByValue
)

// Range reads the keys of a range; bounds as in DeleteRange.
type Range struct {
	Key, End []byte
	// Limit bounds the number of keys that are returned; 0 or less does not. Rev is the revision
	// to read at; 0 or less is the newest.
	Limit, Rev int64
	Order      SortOrder
	Target     SortTarget
	// KeysOnly leaves out the values, and the leases too unless the order is by value. CountOnly
	// leaves out everything but the count.
	KeysOnly, CountOnly bool
	// Keys with a revision below a minimum or above a maximum are left out; 0 is no bound.
	// RangeResult.Count counts them all the same.
	MinMod, MaxMod, MinCreate, MaxCreate int64
}

// CompareTarget and CompareResult say what a Compare looks at. Numbers as in etcd's API.
type (
	CompareTarget byte
	CompareResult byte
)

// The targets.
const (
	CompareVersion CompareTarget = iota
	CompareCreate
	CompareMod
	CompareValue
	CompareLease
)

// The results.
const (
	Equal CompareResult = iota
	Greater
	Less
	NotEqual
)

// Compare is a condition on every key of a range; bounds as in DeleteRange. Where no key is, it
// holds if it would for a key of which everything is 0, but never for CompareValue.
type Compare struct {
	Key, End []byte
	Target   CompareTarget
	Result   CompareResult
	// Number is what version, revisions and lease are compared with, Value what the value is.
	Number int64
	Value  []byte
}

// Op is one operation of a Txn; exactly one field is not nil.
type Op struct {
	Put    *Put
	Range  *Range
	Delete *DeleteRange
	Txn    *Txn
}

// Txn does Success if all Compares hold, else Failure. All compares, those of nested ones included,
// are evaluated before anything is done. Its writes make one revision, and each operation sees what
// those before it did.
type Txn struct {
	Compares         []Compare
	Success, Failure []Op
}

// ReadOnly tells whether t has only Ranges, directly: then Machine.Txn can do it outside the log.
func (t *Txn) ReadOnly() bool {
	for _, ops := range [2][]Op{t.Success, t.Failure} {
		for i := range ops {
			if ops[i].Range == nil {
				return false
			}
		}
	}
	return true
}

// Compact makes Rev the oldest revision that can be read.
type Compact struct{ Rev int64 }

// LeaseGrant makes a lease. The proposer has chosen ID and raised TTL to its minimum.
type LeaseGrant struct {
	ID LeaseID
	// TTL is in seconds.
	TTL int64
}

// MaxLeaseTTL is the longest time that a lease may be granted for, in seconds.
const MaxLeaseTTL = 9_000_000_000

// LeaseRevoke ends a lease and deletes its keys, in one revision.
type LeaseRevoke struct {
	ID LeaseID
	// Term, if not 0, makes the command void unless its entry is of that term. Who revokes a lease
	// because it has expired sets the term in which it led when it found so: another leader may
	// have renewed the lease since. And it sets Lease.Grant, so that a lease that was granted anew
	// under the same ID is not meant; 0 means any.
	Term, Grant uint64
}

// LeaseCheckpoint records how many seconds leases have left, so that a new leader need not give
// them all their time again. Leases that do not exist are passed over.
type LeaseCheckpoint struct {
	// Term, if not 0, makes the command void unless its entry is of that term. Within a term, a
	// checkpoint of a lease counts only if its Seq is above that of the one before: the later one
	// stays, whatever the order in the log.
	Term, Seq uint64
	Leases    []LeaseRemaining
}

// LeaseRemaining is what is left of one lease in seconds; 0 is all of its TTL. Grant as in
// LeaseRevoke.
type LeaseRemaining struct {
	ID        LeaseID
	Grant     uint64
	Remaining int64
}

// AlarmType is what is wrong with a member. Numbers as in etcd's API.
type AlarmType byte

// The alarms. AlarmNone stands for all of them in queries.
const (
	AlarmNone    AlarmType = 0
	AlarmNoSpace AlarmType = 1
	AlarmCorrupt AlarmType = 2
)

// Alarm raises or clears an alarm of a member. While one is raised for any member, AlarmNoSpace
// refuses what takes space, AlarmCorrupt everything but reads, alarms and members.
type Alarm struct {
	Member uint64
	Type   AlarmType
	Clear  bool
}

// Member is what all members know of one.
type Member struct {
	ID                   uint64
	Name                 string
	PeerURLs, ClientURLs []string
	Learner              bool
	// Incarnation is a number that the member's data directory was made with: a member that has
	// lost its directory comes back with another. 0 until the member has published it.
	Incarnation uint64
	// MaxWriteBytes is the largest key and value together that the member can store: see
	// Machine.WriteLimit. 0 until the member has published it.
	MaxWriteBytes uint64
}

// MemberFields says which fields of a Member a SetMember sets.
type MemberFields byte

// The fields.
const (
	MemberName MemberFields = 1 << iota
	MemberClientURLs
	MemberPeerURLs
	MemberIncarnation
	MemberMaxWriteBytes
)

// SetMember sets fields of the member with Member's ID.
type SetMember struct {
	Fields MemberFields
	Member Member
}

// MemberChange is the context of a raft.ConfChange: what is to be known of the node that it adds.
// For a removal only ID counts.
type MemberChange struct {
	Member Member
	// Promote: the node is a learner that becomes a voter.
	Promote bool
	// MaxLearners refuses a further learner beyond that many; 0 does not. It is the proposer's
	// setting, so that all members decide alike.
	MaxLearners uint64
}

// ClusterVersion sets the version that the whole cluster has reached, such as "3.7.0".
type ClusterVersion struct{ Version string }
