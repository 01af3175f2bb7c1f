// Command ceiling answers Put and Range of etcd's KV service at once and stores nothing: what a load
// generator reads here is as much as the wire, grpc-go and the generator itself allow on this machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"sync/atomic"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
)

type service struct {
	pb.UnimplementedKVServer
	revision atomic.Int64
	value    []byte
}

func (s *service) Put(context.Context, *pb.PutRequest) (*pb.PutResponse, error) {
	return &pb.PutResponse{Header: &pb.ResponseHeader{Revision: s.revision.Add(1)}}, nil
}

func (s *service) Range(_ context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	return &pb.RangeResponse{
		Header: &pb.ResponseHeader{Revision: s.revision.Load()}, Count: 1,
		Kvs: []*mvccpb.KeyValue{{Key: r.Key, Value: s.value, Version: 1, CreateRevision: 2, ModRevision: 2}},
	}, nil
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	flag.Parse()
	l, err := net.Listen("tcp", *listen)
	if err == nil {
		g := grpc.NewServer()
		pb.RegisterKVServer(g, &service{value: make([]byte, 256)})
		err = g.Serve(l)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
