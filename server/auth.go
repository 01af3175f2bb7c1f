package server

import pb "go.etcd.io/etcd/api/v3/etcdserverpb"

// authServer answers Unimplemented to every call of the Auth service: there are no users.
type authServer struct{ pb.UnimplementedAuthServer }
