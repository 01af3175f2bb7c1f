package difftest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// What random requests seldom or never meet is asked here in order, one thing after the other. Both
// servers get the same requests, except for the ids of members, which are each server's own.

// who are the members that requests of a corner name.
type who struct{ self, added uint64 }

// ask is one request of a corner.
type ask func(w *who) proto.Message

// always is a request that names no member.
func always(m proto.Message) ask { return func(*who) proto.Message { return m } }

func list(asks ...any) (all []ask) {
	for _, a := range asks {
		switch a := a.(type) {
		case proto.Message:
			all = append(all, always(a))
		case func(w *who) proto.Message:
			all = append(all, a)
		case []ask:
			all = append(all, a...)
		}
	}
	return all
}

func putOf(key, value string) *pb.PutRequest {
	return &pb.PutRequest{Key: []byte(key), Value: []byte(value)}
}

func getOf(key string) *pb.RangeRequest { return &pb.RangeRequest{Key: []byte(key)} }

func opsOf(list ...proto.Message) (ops []*pb.RequestOp) {
	for _, m := range list {
		switch m := m.(type) {
		case *pb.PutRequest:
			ops = append(ops, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: m}})
		case *pb.RangeRequest:
			ops = append(ops, &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: m}})
		case *pb.DeleteRangeRequest:
			ops = append(ops, &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: m}})
		case *pb.TxnRequest:
			ops = append(ops, &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: m}})
		}
	}
	return ops
}

func putsOf(n int) (ops []*pb.RequestOp) {
	for i := range n {
		ops = append(ops, opsOf(putOf(fmt.Sprint("m", i), "v"))...)
	}
	return ops
}

func success(ops ...proto.Message) *pb.TxnRequest { return &pb.TxnRequest{Success: opsOf(ops...)} }

func compaction(rev int64) *pb.CompactionRequest {
	return &pb.CompactionRequest{Revision: rev, Physical: true}
}

func alarm(action pb.AlarmRequest_AlarmAction, of pb.AlarmType) *pb.AlarmRequest {
	return &pb.AlarmRequest{Action: action, MemberID: 77, Alarm: of}
}

// corner is a part of the API, on servers of its own.
type corner struct {
	name string
	args []string
	asks []ask
}

// big is a put whose message has about n bytes.
func big(n int) *pb.PutRequest { return putOf("big", strings.Repeat("x", n)) }

func corners() []corner {
	const limit = 3 << 19
	del := func(key, end string) *pb.DeleteRangeRequest {
		return &pb.DeleteRangeRequest{Key: []byte(key), RangeEnd: []byte(end), PrevKv: true}
	}
	all := func(change func(*pb.RangeRequest)) *pb.RangeRequest {
		r := &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}}
		change(r)
		return r
	}
	takesSpace := list(putOf("a", "1"), success(getOf("a")), success(putOf("a", "2")), success(del("a", "")), del("a", ""),
		getOf("a"), all(func(r *pb.RangeRequest) { r.Serializable = true }), &pb.LeaseGrantRequest{ID: 9, TTL: 100},
		&pb.LeaseKeepAliveRequest{ID: 8}, &pb.LeaseRevokeRequest{ID: 8}, &pb.LeaseTimeToLiveRequest{ID: 8, Keys: true}, compaction(2),
		&pb.PutRequest{}, &pb.TxnRequest{Success: putsOf(129)}, &pb.PutRequest{Key: []byte("a"), Lease: 5}, &pb.StatusRequest{}, &pb.HashKVRequest{})
	return []corner{
		{name: "revisions at the ends", asks: list(getOf("a"), compaction(-1), &pb.RangeRequest{Key: []byte("a"), Revision: -1},
			success(putOf("b", ""), &pb.RangeRequest{Key: []byte("a"), Revision: -1}), success(&pb.RangeRequest{Key: []byte("a"), Revision: -2}),
			compaction(0), compaction(0), success(&pb.RangeRequest{Key: []byte("a"), Revision: -1}), compaction(1), compaction(3), putOf("a", "1"), compaction(3), compaction(3),
			&pb.RangeRequest{Key: []byte("a"), Revision: 2}, &pb.RangeRequest{Key: []byte("a"), Revision: 3}, &pb.RangeRequest{Key: []byte("a"), Revision: 1 << 62},
			del("a", ""), compaction(4), &pb.HashKVRequest{Revision: 1 << 60}, &pb.HashKVRequest{Revision: 2}, &pb.StatusRequest{}, getOf("a"))},
		{name: "sizes", asks: list(big(limit-60), big(limit+60), big(limit+(512<<10)+60), success(big(limit-80)), success(big(limit+60)),
			&pb.DeleteRangeRequest{Key: make([]byte, limit+60)}, all(func(r *pb.RangeRequest) { r.Key = make([]byte, limit+60) }), getOf("big"),
			&pb.TxnRequest{Success: putsOf(128)}, &pb.TxnRequest{Success: putsOf(129)}, &pb.TxnRequest{Failure: putsOf(129)},
			&pb.TxnRequest{Compare: make129()}, success(&pb.TxnRequest{Success: putsOf(127)}), success(&pb.TxnRequest{Success: putsOf(128)}),
			&pb.TxnRequest{Success: append(putsOf(128), putsOf(1)...)}, &pb.TxnRequest{Success: append(putsOf(100), putsOf(1)...)}, getOf("m1"))},
		{name: "orders", asks: list(&pb.TxnRequest{Success: putsOf(40)}, putOf("m3", "z"), putOf("m1", "a"), del("m2", ""), putOf("m2", "new"), orders(all))},
		{name: "leases", asks: list(&pb.LeaseGrantRequest{ID: 1, TTL: 0}, &pb.LeaseGrantRequest{ID: 2, TTL: -5}, &pb.LeaseGrantRequest{ID: -3, TTL: 500},
			&pb.LeaseGrantRequest{ID: 1, TTL: 10}, &pb.LeaseGrantRequest{ID: 4, TTL: 9_000_000_000}, &pb.LeaseGrantRequest{ID: 5, TTL: 9_000_000_001},
			&pb.LeaseTimeToLiveRequest{ID: -3}, &pb.LeaseTimeToLiveRequest{ID: 77}, &pb.LeaseTimeToLiveRequest{}, &pb.LeaseRevokeRequest{ID: 77},
			&pb.LeaseKeepAliveRequest{ID: 77}, &pb.LeaseKeepAliveRequest{ID: 4}, &pb.LeaseKeepAliveRequest{},
			&pb.PutRequest{Key: []byte("a"), Lease: 4}, &pb.PutRequest{Key: []byte("b"), Lease: 4}, &pb.PutRequest{Key: []byte("c"), Lease: 77},
			&pb.LeaseTimeToLiveRequest{ID: 4, Keys: true}, &pb.PutRequest{Key: []byte("a"), Lease: -3}, putOf("b", ""),
			&pb.LeaseTimeToLiveRequest{ID: 4, Keys: true}, &pb.LeaseTimeToLiveRequest{ID: -3, Keys: true}, &pb.LeaseRevokeRequest{ID: -3},
			getOf("a"), &pb.PutRequest{Key: []byte("b"), IgnoreLease: true, Lease: 4}, &pb.PutRequest{Key: []byte("b"), IgnoreLease: true},
			success(&pb.PutRequest{Key: []byte("d"), Lease: 4}, &pb.RangeRequest{Key: []byte("d")}), success(&pb.PutRequest{Key: []byte("d"), Lease: 77}),
			del("d", ""), &pb.LeaseTimeToLiveRequest{ID: 4, Keys: true}, &pb.LeaseLeasesRequest{}, &pb.HashKVRequest{})},
		{name: "alarm of space", asks: list(putOf("a", "0"), &pb.LeaseGrantRequest{ID: 8, TTL: 1000}, alarm(pb.AlarmRequest_GET, 0),
			alarm(pb.AlarmRequest_DEACTIVATE, pb.AlarmType_NOSPACE), alarm(pb.AlarmRequest_ACTIVATE, pb.AlarmType_NONE), alarm(pb.AlarmRequest_ACTIVATE, pb.AlarmType_NOSPACE),
			alarm(pb.AlarmRequest_ACTIVATE, pb.AlarmType_NOSPACE), alarm(pb.AlarmRequest_GET, pb.AlarmType_NOSPACE), alarm(pb.AlarmRequest_GET, pb.AlarmType_CORRUPT),
			takesSpace, alarm(pb.AlarmRequest_DEACTIVATE, pb.AlarmType_NOSPACE), alarm(pb.AlarmRequest_GET, 0), putOf("a", "3"), alarm(pb.AlarmRequest_GET, 9), &pb.StatusRequest{})},
		{name: "alarm of corruption", asks: list(putOf("a", "0"), &pb.LeaseGrantRequest{ID: 8, TTL: 1000}, alarm(pb.AlarmRequest_ACTIVATE, pb.AlarmType_CORRUPT),
			takesSpace, alarm(pb.AlarmRequest_ACTIVATE, pb.AlarmType_NOSPACE), takesSpace, alarm(pb.AlarmRequest_GET, 0),
			alarm(pb.AlarmRequest_DEACTIVATE, pb.AlarmType_CORRUPT), takesSpace, alarm(pb.AlarmRequest_DEACTIVATE, pb.AlarmType_NOSPACE), takesSpace)},
		{name: "a quota that is used up", args: []string{"--quota-backend-bytes", "100"}, asks: list(getOf("a"), del("a", ""), putOf("a", "1"), takesSpace,
			func(w *who) proto.Message {
				return &pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, MemberID: w.self, Alarm: pb.AlarmType_NOSPACE}
			}, &pb.AlarmRequest{Action: pb.AlarmRequest_GET}, putOf("a", "1"), &pb.AlarmRequest{Action: pb.AlarmRequest_GET})},
		{name: "members", asks: members()},
		{name: "bare requests", asks: list(&pb.DefragmentRequest{}, &pb.DeleteRangeRequest{}, &pb.RangeRequest{}, &pb.PutRequest{}, &pb.TxnRequest{},
			&pb.HashKVRequest{}, &pb.CompactionRequest{}, &pb.AlarmRequest{}, &pb.MemberListRequest{}, &pb.StatusRequest{}, &pb.LeaseLeasesRequest{},
			&unknownMethod{"/etcdserverpb.KV/Nothing"}, &unknownMethod{"/nothing.Nothing/Nothing"}, putOf("a", ""), &pb.DefragmentRequest{}, getOf("a"))},
	}
}

func make129() []*pb.Compare {
	list := make([]*pb.Compare, 129)
	for i := range list {
		list[i] = &pb.Compare{Key: []byte("a")}
	}
	return list
}

// orders are ranges over some keys by every target and order, with limits, filters and counts.
func orders(all func(func(*pb.RangeRequest)) *pb.RangeRequest) (asks []ask) {
	for target := range pb.RangeRequest_SortTarget(6) {
		for order := range pb.RangeRequest_SortOrder(4) {
			for i := range 8 {
				asks = append(asks, always(all(func(r *pb.RangeRequest) {
					r.SortTarget, r.SortOrder, r.KeysOnly, r.CountOnly = target, order, i&1 != 0, i == 4
					r.Limit = int64(i % 4 * 7)
					if i >= 4 {
						r.MinModRevision, r.MaxCreateRevision = 2+int64(i%2), 4
					}
				})))
			}
		}
	}
	return asks
}

func members() []ask {
	add := func(learner bool, urls ...string) *pb.MemberAddRequest {
		return &pb.MemberAddRequest{PeerURLs: urls, IsLearner: learner}
	}
	return list(&pb.MemberListRequest{}, &pb.MemberListRequest{Linearizable: true}, add(false), add(false, "nonsense"), add(false, "ftp://127.0.0.1:1"), add(false, "http://127.0.0.1"),
		add(false, "http://127.0.0.1:1/path"), add(false, "http://127.0.0.1:1", "::"), add(true, ""), add(false, " http://127.0.0.1:1/ "),
		&pb.MemberRemoveRequest{ID: 12345}, &pb.MemberPromoteRequest{ID: 12345}, &pb.MemberUpdateRequest{ID: 12345, PeerURLs: []string{"http://127.0.0.1:3"}},
		&pb.MoveLeaderRequest{TargetID: 12345}, &pb.MoveLeaderRequest{}, func(w *who) proto.Message { return &pb.MoveLeaderRequest{TargetID: w.self} },
		func(w *who) proto.Message { return &pb.MemberPromoteRequest{ID: w.self} }, func(w *who) proto.Message { return &pb.MemberRemoveRequest{ID: w.self} },
		add(true, "http://127.0.0.1:9", "http://127.0.0.1:8"), add(true, "http://127.0.0.1:9"), add(true, "http://127.0.0.1:10"), add(false, "http://127.0.0.1:9"),
		func(w *who) proto.Message { return &pb.MoveLeaderRequest{TargetID: w.added} },
		func(w *who) proto.Message { return &pb.MemberPromoteRequest{ID: w.added} },
		func(w *who) proto.Message {
			return &pb.MemberUpdateRequest{ID: w.added, PeerURLs: []string{"http://127.0.0.1:11"}}
		},
		&pb.MemberListRequest{Linearizable: true}, // no update with a bad URL: etcd 3.7.3 panics at it, and at every start from then on
		func(w *who) proto.Message { return &pb.MemberRemoveRequest{ID: w.added} }, func(w *who) proto.Message { return &pb.MemberRemoveRequest{ID: w.added} },
		func(w *who) proto.Message { return &pb.MemberPromoteRequest{ID: w.added} }, &pb.MemberListRequest{Linearizable: true}, &pb.StatusRequest{},
		add(false, "http://127.0.0.1:9"), // a second voter, which will never come: all that needs a quorum ends here
		&pb.MemberListRequest{}, &pb.RangeRequest{Key: []byte("a"), Serializable: true})
}

func TestCorners(t *testing.T) {
	etcd, etalon := build(t, t.TempDir())
	for _, c := range corners() {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"serve"}, c.args...)
			if os.Getenv("DIFFTEST_SELF") != "" {
				args, etalon = c.args, etcd
			}
			p := newPair(t, etcd, args, etalon, c.args)
			defer p.stop()
			p.must(p.start(t.Context()))
			p.closeWatches()
			runCorner(t.Context(), t, p, c.asks)
		})
	}
}

func runCorner(ctx context.Context, t *testing.T, p *pair, asks []ask) {
	var names [2]who
	for i, s := range p.servers {
		resp := call(ctx, s.conn, &pb.StatusRequest{})
		p.must(resp.err)
		names[i].self = resp.msg.(*pb.StatusResponse).Header.MemberId
	}
	for n, a := range asks {
		var answers [2]answer
		for i, s := range p.servers {
			answers[i] = call(ctx, s.conn, a(&names[i]))
			if r, ok := answers[i].msg.(*pb.MemberAddResponse); ok && answers[i].err == nil {
				names[i].added = r.Member.ID
			}
			substitute(answers[i].msg, names[i].self)
		}
		if d := difference(answers[0], answers[1]); d != "" {
			line := prototext.MarshalOptions{}.Format(a(&names[1]))
			t.Errorf("%d %T {%s}\n%s", n, a(&names[1]), line[:min(len(line), 300)], d)
		}
	}
}
