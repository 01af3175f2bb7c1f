package server

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// kvService is etcd's KV service. Its calls do not use the generated code, except for Compact.
var kvService = grpc.ServiceDesc{
	ServiceName: pb.KV_ServiceDesc.ServiceName,
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{
		{MethodName: "Range", Handler: handle(methodRange, (*Server).rangeCall)},
		{MethodName: "Put", Handler: handle(methodPut, (*Server).putCall)},
		{MethodName: "DeleteRange", Handler: handle(methodDelete, (*Server).deleteCall)},
		{MethodName: "Txn", Handler: handle(methodTxn, (*Server).txnCall)},
		{MethodName: "Compact", Handler: handleCompact},
	},
	Streams: []grpc.StreamDesc{{
		StreamName: "RangeStream", ServerStreams: true,
		Handler: func(any, grpc.ServerStream) error {
			return status.Error(codes.Unimplemented, "etcdserver: RangeStream is not implemented")
		},
	}},
	Metadata: pb.KV_ServiceDesc.Metadata,
}

// watchService is etcd's Watch service. What it sends does not use the generated code.
var watchService = grpc.ServiceDesc{
	ServiceName: pb.Watch_ServiceDesc.ServiceName,
	HandlerType: (*any)(nil),
	Streams: []grpc.StreamDesc{{
		StreamName: "Watch", ServerStreams: true, ClientStreams: true,
		Handler: func(srv any, rpc grpc.ServerStream) error { return srv.(*Server).watch(rpc) },
	}},
	Metadata: pb.Watch_ServiceDesc.Metadata,
}

func handleCompact(srv any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var r pb.CompactionRequest
	if err := dec(&r); err != nil {
		return nil, err
	}
	s := srv.(*Server)
	if err := s.admit(ctx, false); err != nil {
		return nil, err
	}
	resp, err := s.compact(ctx, &r)
	if err != nil {
		return nil, toGRPC(err)
	}
	return resp, nil
}
