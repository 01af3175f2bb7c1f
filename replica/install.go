package replica

import "github.com/etalon-kv/etalon/raft"

func (r *Replica) install(s *raft.Snapshot) error { return nil }
func (r *Replica) installed(s *raft.Snapshot)     {}
