package difftest

import (
	"context"
	"fmt"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// cluster is a cluster of processes, with what etcdctl is told of it.
type cluster struct {
	members []*server
	bin     string   // etcdctl
	words   []string // what is each cluster's own, and what stands for it, in turn; see plain
	vars    map[string]string
}

// newCluster describes n members.
func newCluster(name, binary, dir string, n int, extra ...string) (*cluster, error) {
	c := &cluster{vars: map[string]string{}}
	var urls []string
	for i := range n {
		m := fmt.Sprint("m", i+1)
		// No election because the machine was busy: commands name the leader, and fail without one.
		s, err := newServer(name+"-"+m, binary, dir, append(extra[:len(extra):len(extra)], "--heartbeat-interval", "500", "--election-timeout", "5000")...)
		if err != nil {
			return nil, err
		}
		peer := s.argv[indexOf(s.argv, "--listen-peer-urls")+1]
		urls = append(urls, m+"="+peer)
		c.words = append(c.words, s.client, "CLIENT-"+m, strings.TrimPrefix(peer, "http://"), "PEER-"+m)
		c.vars["file"], c.vars[m] = filepath.Join(dir, name+"-snapshot"), s.client
		c.members = append(c.members, s)
	}
	c.words = append(c.words, filepath.Join(dir, name), "FILE")
	for _, s := range c.members {
		s.argv[indexOf(s.argv, "--initial-cluster")+1] = strings.Join(urls, ",")
		s.argv[indexOf(s.argv, "--name")+1] = s.name[len(name)+1:]
	}
	return c, nil
}

func indexOf(list []string, word string) int {
	for i, w := range list {
		if w == word {
			return i
		}
	}
	return -1
}

// start starts all members and learns their ids.
func (c *cluster) start(ctx context.Context) error {
	errs := make([]error, len(c.members))
	var wg sync.WaitGroup
	for i, s := range c.members {
		wg.Go(func() { errs[i] = s.start(ctx) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	list, err := pb.NewClusterClient(c.members[0].conn).MemberList(ctx, &pb.MemberListRequest{Linearizable: true})
	if err != nil {
		return err
	}
	for _, m := range list.Members {
		c.name(m.ID, "ID-"+m.Name)
	}
	c.name(list.Header.ClusterId, "ID-CLUSTER")
	return c.learnLeader(ctx)
}

// name has an id replaced by word, in all forms that etcdctl prints.
func (c *cluster) name(id uint64, word string) {
	c.vars[word] = fmt.Sprintf("%x", id)
	c.replace(c.vars[word], word)
	c.replace(fmt.Sprint(id), word)
}

// replace has an id, as etcdctl prints it, replaced by word.
func (c *cluster) replace(id, word string) {
	// Some commands pad an id of fewer than 16 digits with spaces, beside the one that is always there.
	c.words = append(c.words, fmt.Sprintf(" %16s", id), " "+word, id, word)
}

// learnLeader waits until all members name one leader, and fills the variables leader and follower, addresses,
// and followerID.
func (c *cluster) learnLeader(ctx context.Context) error {
	for {
		agreed, err := c.askLeader(ctx)
		if agreed || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (c *cluster) askLeader(ctx context.Context) (agreed bool, err error) {
	leaders := map[uint64]bool{}
	for _, s := range c.members {
		st, err := pb.NewMaintenanceClient(s.conn).Status(ctx, &pb.StatusRequest{})
		if err != nil {
			return false, err
		}
		leaders[st.Leader] = true
		if st.Leader == st.Header.MemberId {
			c.vars["leader"] = s.client
		} else {
			c.vars["follower"], c.vars["followerID"] = s.client, fmt.Sprintf("%x", st.Header.MemberId)
		}
	}
	return len(leaders) == 1 && !leaders[0], nil
}

func (c *cluster) stop() (err error) {
	for _, s := range c.members {
		if serr := s.stop(); serr != nil {
			err = serr
		}
	}
	return err
}

func (c *cluster) endpoints() string {
	var list []string
	for _, s := range c.members {
		list = append(list, s.client)
	}
	return strings.Join(list, ",")
}

// fill replaces {variables} by what they are in this cluster.
func (c *cluster) fill(text string) string {
	for name, value := range c.vars {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}

// plain replaces what is each cluster's own: addresses, ids, directories.
func (c *cluster) plain(text string) string {
	for i := 0; i < len(c.words); i += 2 {
		text = strings.ReplaceAll(text, c.words[i], c.words[i+1])
	}
	return text
}

// sorted has the lines of text in order: members answer in any.
func sorted(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}
