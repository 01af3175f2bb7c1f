package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/replica"
	"github.com/etalon-kv/etalon/replica/peers"
)

// Log is a log that can be closed.
type Log interface {
	replica.Log
	io.Closer
}

// NodeConfig is what a member is made of, and where it keeps it.
type NodeConfig struct {
	// Dir is the data directory. What belongs to the member is in DIR/member: identity, log, state.
	Dir string
	// Name is the member's, and Token the cluster's, which makes clusters with equal members
	// different ones.
	Name, Token string
	// PeerURLs and ClientURLs are where the member can be reached: they are told to all.
	PeerURLs, ClientURLs []string
	// Cluster names the members that the cluster is founded with, this one included, and their
	// peer URLs. It counts only for a directory that is not there yet.
	Cluster map[string][]string
	// Join, if not nil, asks the cluster, which runs already, who its members are. It is called only for
	// a directory that is not there yet: a member that has joined starts again with nobody to ask.
	Join func(context.Context) (*Joining, error)
	// Alone: the cluster's other members are lost for good, and this one goes on as the only one, with
	// what it has. They must not run any more.
	Alone bool
	// Engine is the name of what State.Open opens, to be compared when the directory is opened again.
	Engine string
	// State says what the state is kept in; its Dir is set here.
	State apply.Config
	// OpenLog opens the log in a directory, for the member with that id.
	OpenLog func(dir string, id uint64) (Log, error)
	// VolatileLog: the log is gone when the process ends. A member that starts again has forgotten what
	// it voted and acknowledged, so it counts as one whose disk was emptied: who has known it refuses it.
	VolatileLog bool
	// OpenTransport makes the way to the other members; nil will do for a member alone.
	OpenTransport func(Identity) (replica.Transport, error)
	// Replica tunes the replica; what it is made of is set here.
	Replica replica.Config
	// Server tunes the server, likewise.
	Server Config
}

// Joining is what a member knows of the cluster that it joins: MemberAdd has told its id.
type Joining struct {
	Cluster uint64
	Members []apply.Member
}

// Identity is who a member is, for its transport: see peers.Config.
type Identity struct {
	Member               raft.NodeID
	Cluster, Incarnation uint64
	// Introduce tells who the members are, as Introduced reads it.
	Introduce func() []byte
}

// Introduced reads what Identity.Introduce told.
func Introduced(cluster uint64, payload []byte) (*Joining, error) {
	j := &Joining{Cluster: cluster}
	if err := json.Unmarshal(payload, &j.Members); err != nil {
		return nil, fmt.Errorf("%w: the introduction of a member: %w", ErrIdentity, err)
	}
	return j, nil
}

// introduce tells who the members are.
func (n *Node) introduce() []byte {
	members, _ := n.State.Members()
	text, err := json.Marshal(members)
	if err != nil {
		return nil // numbers and strings: it cannot
	}
	return text
}

// memberName is the directory below the data directory that has what belongs to the member.
const memberName = "member"

// Node is a running member: its log, state and replica, and the server of it.
type Node struct {
	Server  *Server
	Replica *replica.Replica
	State   *apply.Machine

	config NodeConfig
	id     identity
	log    Log
	server atomic.Pointer[Server] // for calls of other members
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// StartNode opens the member in c.Dir, or makes it, and starts it. The caller must Close it.
func StartNode(ctx context.Context, c NodeConfig) (_ *Node, err error) {
	n := &Node{config: c}
	dir := filepath.Join(c.Dir, memberName)
	if err := n.identify(ctx, dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.closeStores())
		}
	}()
	if err := n.openStores(ctx, dir); err != nil {
		return nil, err
	}
	rc := c.Replica
	rc.ID, rc.Group, rc.Log, rc.State, rc.Found = raft.NodeID(n.id.Member), n.id.Cluster, n.log, n.State, n.id.Founding
	rc.Dir = filepath.Join(dir, "snapshots")
	rc.Peers = n.peers()
	rc.Handle = n.answer
	stages := &Stages{}
	rc.Stages = stages.Record
	rc.Differs = n.differs
	if c.Alone {
		if err := n.alone(ctx, rc); err != nil {
			return nil, err
		}
		rc.Peers = nil
	}
	if c.OpenTransport != nil {
		rc.Transport, err = c.OpenTransport(Identity{Member: rc.ID, Cluster: rc.Group, Incarnation: n.id.Incarnation, Introduce: n.introduce})
		if err != nil {
			return nil, err
		}
	}
	if rc.RequestTimeout == 0 {
		rc.RequestTimeout = c.Server.requestTimeout()
	}
	if n.Replica, err = replica.Open(rc); err != nil {
		return nil, err
	}
	sc := c.Server
	sc.Replica, sc.State, sc.Cluster, sc.Member, sc.Stages = n.Replica, n.State, n.id.Cluster, rc.ID, stages
	sc.Loose = sc.Loose || rc.Loose
	if n.Server, err = New(sc); err != nil {
		return nil, errors.Join(err, n.Replica.Close())
	}
	n.server.Store(n.Server)
	ctx, n.cancel = context.WithCancel(context.WithoutCancel(ctx))
	n.work.Go(func() { n.publish(ctx) })
	n.work.Go(func() { n.followMembers(ctx) })
	return n, nil
}

// identify finds out who the member is, or decides it for a new directory.
func (n *Node) identify(ctx context.Context, dir string) error {
	id, err := loadIdentity(dir)
	if err != nil {
		return err
	}
	if id != nil {
		n.id = *id
		if id.Name != n.config.Name {
			return fmt.Errorf("%w: %s belongs to member %q, not to %q", ErrIdentity, dir, id.Name, n.config.Name)
		}
		if id.Engine != n.config.Engine {
			return fmt.Errorf("%w: %s keeps its state in engine %s, not %s", ErrIdentity, dir, id.Engine, n.config.Engine)
		}
		if n.config.VolatileLog {
			n.id.Incarnation = newIncarnation()
			return n.id.store(dir)
		}
		return nil
	}
	if _, err := os.Lstat(filepath.Join(n.config.Dir, restoringName)); err == nil {
		return fmt.Errorf("%w: restore it into %s again, or remove %s there to begin an empty member", ErrRestoring, n.config.Dir, restoringName)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("server: %w", err)
	}
	if err := vacant(dir); err != nil {
		return err
	}
	n.id = identity{Format: identityFormat, Name: n.config.Name, Incarnation: newIncarnation(), Engine: n.config.Engine}
	if n.config.Join != nil {
		j, err := n.config.Join(ctx)
		if err != nil {
			return err
		}
		for _, m := range j.Members {
			if slices.Equal(slices.Sorted(slices.Values(m.PeerURLs)), slices.Sorted(slices.Values(n.config.PeerURLs))) {
				n.id.Cluster, n.id.Member, n.id.Met = j.Cluster, m.ID, j.Members
				return n.id.store(dir)
			}
		}
		return fmt.Errorf("%w: the cluster has no member with peer URLs %q", ErrIdentity, n.config.PeerURLs)
	}
	if err := n.found(); err != nil {
		return err
	}
	return n.id.store(dir)
}

// found decides who a founding member is.
func (n *Node) found() error {
	if n.config.Cluster[n.config.Name] == nil {
		return fmt.Errorf("%w: the initial cluster does not name %q", ErrIdentity, n.config.Name)
	}
	n.id = identity{Format: identityFormat, Name: n.config.Name, Incarnation: newIncarnation(), Engine: n.config.Engine, Founding: true}
	founders := n.founders()
	for _, m := range founders {
		if m.Name == n.config.Name {
			n.id.Member = m.ID
		}
	}
	n.id.Cluster = ClusterID(founderIDs(founders))
	return nil
}

// founders are the members that the cluster begins with. All of them must find the same.
func (n *Node) founders() []apply.Member {
	var list []apply.Member
	for name, urls := range n.config.Cluster {
		urls := slices.Sorted(slices.Values(urls))
		list = append(list, apply.Member{ID: MemberID(urls, n.config.Token, 0), Name: name, PeerURLs: urls})
	}
	slices.SortFunc(list, func(a, b apply.Member) int { return compareID(a.ID, b.ID) })
	return list
}

func compareID(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func founderIDs(members []apply.Member) (ids []uint64) {
	for _, m := range members {
		ids = append(ids, m.ID)
	}
	return ids
}

// openStores opens log and state. A founding member's state begins with the members.
func (n *Node) openStores(ctx context.Context, dir string) (err error) {
	sc := n.config.State
	sc.Dir = filepath.Join(dir, "state")
	if n.State, err = apply.Open(ctx, sc); err != nil {
		return err
	}
	if n.log, err = n.config.OpenLog(filepath.Join(dir, "log"), n.id.Member); err != nil {
		return err
	}
	if n.id.Founding && n.State.Applied().Index == 0 {
		founders := n.founders()
		if ClusterID(founderIDs(founders)) != n.id.Cluster {
			return fmt.Errorf("%w: it was made for cluster %x, the initial cluster is %x", ErrIdentity, n.id.Cluster, ClusterID(founderIDs(founders)))
		}
		if len(founders) == 1 { // founding records must be equal on all founders
			founders[0].MaxWriteBytes = uint64(n.State.MaxWriteBytes())
		}
		return n.State.Found(founders)
	}
	return nil
}

// peers are the other members, as far as they are known.
func (n *Node) peers() []peers.Peer {
	members, _ := n.State.Members()
	if len(members) == 0 {
		members = n.id.Met
	}
	var list []peers.Peer
	for _, m := range members {
		if m.ID != n.id.Member {
			list = append(list, peers.Peer{ID: raft.NodeID(m.ID), Addrs: hostPorts(m.PeerURLs), Incarnation: m.Incarnation})
		}
	}
	for _, id := range n.State.RemovedMembers() {
		if id != n.id.Member {
			list = append(list, peers.Peer{ID: raft.NodeID(id), Removed: true})
		}
	}
	return list
}

// hostPorts are the addresses in URLs.
func hostPorts(urls []string) (addrs []string) {
	for _, u := range urls {
		if p, err := url.Parse(u); err == nil && p.Host != "" {
			addrs = append(addrs, p.Host)
		}
	}
	return addrs
}

func (n *Node) answer(ctx context.Context, from raft.NodeID, payload []byte) ([]byte, error) {
	s := n.server.Load()
	if s == nil {
		return nil, replica.ErrNotLeader
	}
	return s.Answer(ctx, from, payload)
}

// differs is told of a member that has another history than the others.
func (n *Node) differs(id raft.NodeID, rev uint64) {
	if s := n.server.Load(); s != nil {
		s.Differs(id, rev)
	}
}

// publish tells all members this one's name, client URLs and limits, until they know.
func (n *Node) publish(ctx context.Context) {
	m := apply.Member{
		ID: n.id.Member, Name: n.config.Name, ClientURLs: n.config.ClientURLs, Incarnation: n.id.Incarnation,
		MaxWriteBytes: uint64(n.State.MaxWriteBytes()),
	}
	cmd := &apply.SetMember{Fields: apply.MemberName | apply.MemberClientURLs | apply.MemberIncarnation | apply.MemberMaxWriteBytes, Member: m}
	for ctx.Err() == nil {
		try, cancel := context.WithTimeout(ctx, n.Server.config.requestTimeout())
		_, err := propose[*apply.MembersResult](try, n.Server, cmd, 0)
		cancel()
		if err == nil || n.Replica.Err() != nil { // it has stopped, for whatever reason
			return
		}
		n.Server.config.Logger.Warn("publishing the member's attributes", "error", err)
	}
}

// followMembers tells the transport whenever the members change.
func (n *Node) followMembers(ctx context.Context) {
	for {
		_, changed := n.State.Members()
		n.Replica.SetPeers(n.peers())
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// Close stops the member and closes what it has opened. The grpc.Server must have been stopped.
func (n *Node) Close() error {
	n.Server.Stop()
	n.cancel()
	err := n.Replica.Close()
	n.work.Wait()
	n.Server.Close()
	return errors.Join(err, n.closeStores())
}

func (n *Node) closeStores() (err error) {
	if n.log != nil {
		err = n.log.Close()
	}
	if n.State != nil {
		err = errors.Join(err, n.State.Close())
	}
	return err
}
