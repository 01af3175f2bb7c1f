package difftest

import (
	"fmt"
	"math/rand/v2"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
)

// generator makes random requests, of which a good part is wrong in one way or another. It follows
// what the reference answered, so that revisions and leases are mostly such that exist.
type generator struct {
	r         *rand.Rand
	rev       int64 // current
	compacted int64
	future    int64 // the latest start of a watch
	// hashed are the revisions at which etcd was compacted since it started: it has kept the hashes of
	// then, and answers HashKV with them as long as it runs. Ours always answers with that of now.
	hashed    map[int64]bool
	leases    []int64
	alarms    int // raised
	nextLease int64
}

func newGenerator(seed uint64) *generator {
	return &generator{r: rand.New(rand.NewPCG(seed, 0xd1ff)), rev: 1, nextLease: 1000, hashed: map[int64]bool{}}
}

// one tells whether a thing of n should happen.
func (g *generator) one(n int) bool { return g.r.IntN(n) == 0 }

// next returns the next request.
func (g *generator) next() proto.Message {
	if g.alarms > 0 && g.one(10) {
		return g.alarm()
	}
	switch n := g.r.IntN(100); {
	case n < 30:
		return g.put()
	case n < 55:
		return g.rangeOf()
	case n < 63:
		return g.deleteRange()
	case n < 83:
		return g.txn(0)
	case n < 85:
		return g.compact()
	case n < 88:
		return g.grant()
	case n < 90:
		return &pb.LeaseRevokeRequest{ID: g.lease()}
	case n < 93:
		return &pb.LeaseTimeToLiveRequest{ID: g.lease(), Keys: g.one(2)}
	case n < 94:
		return &pb.LeaseLeasesRequest{}
	case n < 96:
		return &pb.LeaseKeepAliveRequest{ID: g.lease()}
	case n < 98:
		return g.hashKV()
	}
	return g.alarm()
}

// alarmed is the member of which alarms are raised.
const alarmed = 7

// alarm raises one seldom, and clears it soon.
func (g *generator) alarm() *pb.AlarmRequest {
	r := &pb.AlarmRequest{Action: pb.AlarmRequest_GET, MemberID: alarmed, Alarm: pb.AlarmType(g.r.IntN(3))}
	switch {
	case g.alarms > 0:
		r.Action = pb.AlarmRequest_DEACTIVATE
	case g.one(6):
		r.Action = pb.AlarmRequest_ACTIVATE
	}
	return r
}

// learn takes note of what the reference answered.
func (g *generator) learn(req proto.Message, a answer) {
	if a.err != nil {
		return
	}
	if h, ok := a.msg.(interface{ GetHeader() *pb.ResponseHeader }); ok && h.GetHeader() != nil {
		g.rev = max(g.rev, h.GetHeader().Revision)
	}
	switch r := req.(type) {
	case *pb.CompactionRequest:
		g.compacted = max(g.compacted, r.Revision)
		g.hashed[r.Revision] = true
	case *pb.AlarmRequest:
		raised := len(a.msg.(*pb.AlarmResponse).Alarms)
		switch r.Action {
		case pb.AlarmRequest_ACTIVATE:
			g.alarms += raised
		case pb.AlarmRequest_DEACTIVATE:
			g.alarms -= raised
		}
	case *pb.LeaseGrantRequest:
		g.leases = append(g.leases, r.ID)
	case *pb.LeaseRevokeRequest:
		for i, id := range g.leases {
			if id == r.ID {
				g.leases = append(g.leases[:i], g.leases[i+1:]...)
				break
			}
		}
	}
}

// key is one of few, so that requests meet; a few are odd.
func (g *generator) key() []byte {
	switch g.r.IntN(60) {
	case 0:
		return nil
	case 1:
		return []byte{0}
	case 2:
		return []byte{0xff, 0xff}
	case 3:
		return []byte("k1\x00")
	case 4:
		return []byte("k1\x00\xff")
	}
	return fmt.Appendf(nil, "k%d", g.r.IntN(40))
}

// span is a key, or a range of them: well formed, open, inverted, empty.
func (g *generator) span() (key, end []byte) {
	key = g.key()
	switch g.r.IntN(12) {
	case 0, 1, 2, 3:
		return key, nil
	case 4:
		return key, []byte{0}
	case 5:
		return []byte{0}, []byte{0}
	case 6:
		return key, key
	case 7:
		return key, []byte{}
	case 8:
		return []byte("k"), []byte("l")
	case 9:
		return key, append(append([]byte{}, key...), 0xff)
	}
	return key, g.key()
}

func (g *generator) value() []byte {
	if g.one(12) {
		return nil
	}
	v := make([]byte, g.r.IntN(40))
	for i := range v {
		v[i] = byte('a' + g.r.IntN(6))
	}
	return v
}

// revision is mostly 0 or a past one; some are compacted, in the future or negative.
func (g *generator) revision() int64 {
	switch g.r.IntN(10) {
	case 0:
		return g.rev + 1 + g.r.Int64N(3)
	case 1:
		return g.compacted - 1 + g.r.Int64N(3)
	case 2:
		return -1 - g.r.Int64N(2)
	case 3, 4, 5:
		return max(g.compacted, 1) + g.r.Int64N(max(1, g.rev-g.compacted+1))
	case 6:
		return g.rev
	}
	return 0
}

func (g *generator) lease() int64 {
	if len(g.leases) == 0 || g.one(8) {
		return g.r.Int64N(4)
	}
	return g.leases[g.r.IntN(len(g.leases))]
}

func (g *generator) put() *pb.PutRequest {
	r := &pb.PutRequest{Key: g.key(), Value: g.value(), PrevKv: g.one(3)}
	if g.one(4) {
		r.Lease = g.lease()
	}
	if g.one(12) {
		r.IgnoreValue = true
		if !g.one(4) {
			r.Value = nil
		}
	}
	if g.one(12) {
		r.IgnoreLease = true
		if !g.one(4) {
			r.Lease = 0
		}
	}
	return r
}

func (g *generator) rangeOf() *pb.RangeRequest {
	r := &pb.RangeRequest{Revision: g.revision(), Serializable: g.one(4), CountOnly: g.one(8), KeysOnly: g.one(6)}
	r.Key, r.RangeEnd = g.span()
	switch g.r.IntN(6) {
	case 0, 1:
		r.Limit = g.r.Int64N(6)
	case 2:
		if g.one(10) {
			r.Limit = -1
		}
	}
	if g.one(3) {
		r.SortOrder = pb.RangeRequest_SortOrder(g.r.IntN(3))
		r.SortTarget = pb.RangeRequest_SortTarget(g.r.IntN(5))
	}
	if g.one(40) {
		r.SortOrder = 7
	}
	if g.one(40) {
		r.SortTarget = 9
	}
	if g.one(8) {
		r.MinModRevision = g.r.Int64N(g.rev + 1)
	}
	if g.one(8) {
		r.MaxModRevision = g.r.Int64N(g.rev + 1)
	}
	if g.one(12) {
		r.MinCreateRevision = g.r.Int64N(g.rev + 1)
	}
	if g.one(12) {
		r.MaxCreateRevision = g.r.Int64N(g.rev + 1)
	}
	return r
}

func (g *generator) deleteRange() *pb.DeleteRangeRequest {
	r := &pb.DeleteRangeRequest{PrevKv: g.one(2)}
	if g.one(3) {
		r.Key, r.RangeEnd = g.span()
	} else {
		r.Key = g.key()
	}
	return r
}

func (g *generator) hashKV() *pb.HashKVRequest {
	rev := g.revision()
	for g.hashed[rev] {
		rev = g.revision()
	}
	return &pb.HashKVRequest{Revision: rev}
}

// physical compactions only: until another is done, which records it has removed is a race.
func (g *generator) compact() *pb.CompactionRequest {
	r := &pb.CompactionRequest{Physical: true}
	switch g.r.IntN(6) {
	case 0:
		r.Revision = g.revision()
	case 1:
		r.Revision = g.rev
	default:
		r.Revision = g.compacted + g.r.Int64N(max(1, (g.rev-g.compacted)/2+1))
	}
	if g.compacted == 0 {
		r.Revision = max(r.Revision, 1) // at 0 etcd would keep a hash for 0, which asks for the present one
	}
	return r
}

func (g *generator) grant() *pb.LeaseGrantRequest {
	g.nextLease++
	r := &pb.LeaseGrantRequest{ID: g.nextLease, TTL: 10_000 + g.r.Int64N(10)}
	switch g.r.IntN(10) {
	case 0:
		r.TTL = 9_000_000_001
	case 1:
		if len(g.leases) > 0 {
			r.ID = g.leases[g.r.IntN(len(g.leases))]
		}
	}
	return r
}

// maxDepth is how deep transactions are nested.
const maxDepth = 2

func (g *generator) txn(depth int) *pb.TxnRequest {
	r := &pb.TxnRequest{}
	for range g.r.IntN(3) {
		r.Compare = append(r.Compare, g.compare())
	}
	for range g.r.IntN(4) {
		r.Success = append(r.Success, g.op(depth))
	}
	for range g.r.IntN(3) {
		r.Failure = append(r.Failure, g.op(depth))
	}
	if depth == 0 && g.one(60) {
		for range 120 + g.r.IntN(12) { // at the limit of 128
			r.Success = append(r.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: g.key()}}})
		}
	}
	return r
}

func (g *generator) op(depth int) *pb.RequestOp {
	switch n := g.r.IntN(12); {
	case n < 5:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: g.put()}}
	case n < 8:
		r := g.rangeOf()
		return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: r}}
	case n < 10:
		r := g.deleteRange()
		if string(r.RangeEnd) == "\x00" {
			r.RangeEnd = []byte("k9") // at a put and a deletion of all keys in one transaction etcd 3.7.3 may panic
		}
		return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: r}}
	case n == 10 && depth < maxDepth:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: g.txn(depth + 1)}}
	case g.one(20):
		return &pb.RequestOp{}
	}
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: g.key(), Value: g.value()}}}
}

func (g *generator) compare() *pb.Compare {
	c := &pb.Compare{Result: pb.Compare_CompareResult(g.r.IntN(4)), Target: pb.Compare_CompareTarget(g.r.IntN(5))}
	if g.one(4) {
		c.Key, c.RangeEnd = g.span()
	} else {
		c.Key = g.key()
	}
	number := g.r.Int64N(g.rev + 2)
	if g.one(3) {
		number = g.r.Int64N(3)
	}
	switch c.Target {
	case pb.Compare_VERSION:
		c.TargetUnion = &pb.Compare_Version{Version: number}
	case pb.Compare_CREATE:
		c.TargetUnion = &pb.Compare_CreateRevision{CreateRevision: number}
	case pb.Compare_MOD:
		c.TargetUnion = &pb.Compare_ModRevision{ModRevision: number}
	case pb.Compare_VALUE:
		c.TargetUnion = &pb.Compare_Value{Value: g.value()}
	case pb.Compare_LEASE:
		c.TargetUnion = &pb.Compare_Lease{Lease: g.lease()}
	}
	if g.one(20) {
		c.TargetUnion = nil // the zero value of the target
	}
	if g.one(60) {
		c.Target = 9
	}
	if g.one(60) {
		c.Result = 7
	}
	return c
}
