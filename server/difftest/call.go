package difftest

import (
	"context"
	"fmt"
	"io"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// call sends one request to a server and waits for the answer.
func call(ctx context.Context, conn *grpc.ClientConn, req proto.Message) answer {
	msg, err := dispatch(ctx, conn, req)
	if err != nil {
		return answer{err: err}
	}
	return answer{msg: msg}
}

func dispatch(ctx context.Context, conn *grpc.ClientConn, req proto.Message) (proto.Message, error) {
	kv, lease, maint, cluster := pb.NewKVClient(conn), pb.NewLeaseClient(conn), pb.NewMaintenanceClient(conn), pb.NewClusterClient(conn)
	switch r := req.(type) {
	case *pb.PutRequest:
		return kv.Put(ctx, r)
	case *pb.RangeRequest:
		return kv.Range(ctx, r)
	case *pb.DeleteRangeRequest:
		return kv.DeleteRange(ctx, r)
	case *pb.TxnRequest:
		return kv.Txn(ctx, r)
	case *pb.CompactionRequest:
		return kv.Compact(ctx, r)
	case *pb.LeaseGrantRequest:
		return lease.LeaseGrant(ctx, r)
	case *pb.LeaseRevokeRequest:
		return lease.LeaseRevoke(ctx, r)
	case *pb.LeaseTimeToLiveRequest:
		return lease.LeaseTimeToLive(ctx, r)
	case *pb.LeaseLeasesRequest:
		return lease.LeaseLeases(ctx, r)
	case *pb.LeaseKeepAliveRequest:
		return keepAlive(ctx, lease, r)
	case *pb.HashKVRequest:
		return maint.HashKV(ctx, r)
	case *pb.AlarmRequest:
		return maint.Alarm(ctx, r)
	case *pb.StatusRequest:
		return maint.Status(ctx, r)
	case *pb.DefragmentRequest:
		return maint.Defragment(ctx, r)
	case *pb.MoveLeaderRequest:
		return maint.MoveLeader(ctx, r)
	case *pb.MemberListRequest:
		return cluster.MemberList(ctx, r)
	case *pb.MemberAddRequest:
		return cluster.MemberAdd(ctx, r)
	case *pb.MemberRemoveRequest:
		return cluster.MemberRemove(ctx, r)
	case *pb.MemberUpdateRequest:
		return cluster.MemberUpdate(ctx, r)
	case *pb.MemberPromoteRequest:
		return cluster.MemberPromote(ctx, r)
	case *unknownMethod:
		return nil, conn.Invoke(ctx, r.name, &pb.RangeRequest{}, &pb.RangeResponse{})
	}
	return nil, fmt.Errorf("difftest: no way to send a %T", req)
}

// unknownMethod is a call that no server knows.
type unknownMethod struct{ name string }

// ProtoReflect makes it a message like the others.
func (*unknownMethod) ProtoReflect() protoreflect.Message {
	return (*pb.RangeRequest)(nil).ProtoReflect()
}

// keepAlive renews a lease once, on a stream of its own.
func keepAlive(ctx context.Context, c pb.LeaseClient, r *pb.LeaseKeepAliveRequest) (proto.Message, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.LeaseKeepAlive(ctx)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(r); err != nil && err != io.EOF { // EOF: Recv has the reason
		return nil, err
	}
	return stream.Recv()
}
