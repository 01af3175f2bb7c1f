package apply

// The results of commands. Rev is the revision of the store after the command; with an Err it was
// not changed by it. Errors are the sentinels of this package, some wrapped with facts. The slices
// in a result are its receiver's.

// PutResult is that of a Put. PrevKV is nil if it was not asked for or the key did not exist.
type PutResult struct {
	Rev    int64
	PrevKV *KeyValue
	Err    error
}

// DeleteRangeResult is that of a DeleteRange.
type DeleteRangeResult struct {
	Rev, Deleted int64
	PrevKVs      []KeyValue
	Err          error
}

// RangeResult is that of a Range. Rev is the newest revision, also where an older one was read.
type RangeResult struct {
	Rev int64
	KVs []KeyValue
	// Count is the number of keys in the range at the revision, whatever limit and filters.
	Count int64
	// More: the limit left keys out.
	More bool
}

// OpResult is that of an Op; the field of its kind is not nil. Their errors are always nil.
type OpResult struct {
	Put    *PutResult
	Range  *RangeResult
	Delete *DeleteRangeResult
	Txn    *TxnResult
}

// TxnResult is that of a Txn. In a nested one Rev is 0, as etcd answers.
type TxnResult struct {
	Rev       int64
	Succeeded bool
	Ops       []OpResult
	Err       error
}

// Done is the result of Compact, LeaseRevoke, LeaseCheckpoint and ClusterVersion, and of an entry
// that could not be decoded (ErrMalformed).
type Done struct {
	Rev int64
	Err error
}

// LeaseGrantResult is that of a LeaseGrant.
type LeaseGrantResult struct {
	Rev int64
	ID  LeaseID
	TTL int64
	Err error
}

// AlarmMember is an alarm that is raised.
type AlarmMember struct {
	Member uint64
	Type   AlarmType
}

// AlarmResult is that of an Alarm. Alarms is what was raised or cleared; empty for clearing an alarm
// that was not raised.
type AlarmResult struct {
	Rev    int64
	Alarms []AlarmMember
	Err    error
}

// MembersResult is that of SetMember and of a membership change: all members after it, in order of
// ID.
type MembersResult struct {
	Rev     int64
	Members []Member
	Err     error
}
