package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// rates are about what etcd does in a second on two cores, so that a cell takes it about --seconds. All systems
// get the same number of requests.
var rates = map[string]map[int]int{
	"put":   {1: 400, 100: 4000, 1000: 8000},
	"range": {1: 2000, 100: 6000, 1000: 12000},
}

func (o *options) total(op string, clients int) int {
	rate, known := rates[op][clients]
	if !known {
		rate = rates[op][100]
	}
	return max(int(float64(rate)*o.seconds), 10*clients)
}

// load measures puts and ranges by all numbers of clients on a fresh cluster, then its memory.
func (o *options) load(t *table, s system, n int) (err error) {
	dir, err := os.MkdirTemp(o.dir, "load")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c, _, err := start(o, s, n, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	if s != ceiling {
		if err := putOne(c); err != nil {
			return err
		}
	}
	if _, _, err := o.generate(c, 100, "put", 2000); err != nil { // warm up
		return err
	}
	for _, clients := range o.clients {
		for _, op := range []string{"put", "range"} {
			if !o.has(op) {
				continue
			}
			rate, p99, err := o.generate(c, clients, op, o.total(op, clients))
			if err != nil {
				return err
			}
			cell := fmt.Sprintf("members=%d/clients=%d/", n, clients)
			t.add(cell+op, "requests/s", s, rate)
			if op == "put" {
				t.add(cell+"p99", "ms", s, p99*1000)
			}
		}
	}
	if s == ceiling {
		return nil
	}
	bytes, err := c.rss()
	t.add(fmt.Sprintf("members=%d/rss", n), "MiB", s, bytes/(1<<20))
	return err
}

const key = "the key that is read"

func putOne(c *cluster) error {
	client, err := connect(c.endpoints[0])
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = client.Put(context.Background(), key, strings.Repeat("v", 256))
	return err
}

var (
	perSecond = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	slowest   = regexp.MustCompile(`99% in ([0-9.]+) secs`)
)

// generate runs etcd's load generator.
func (o *options) generate(c *cluster, clients int, op string, total int) (rate, p99 float64, err error) {
	args := []string{"--endpoints", strings.Join(c.endpoints, ","), "--precise", "--conns", fmt.Sprint(min(clients, 100)), "--clients", fmt.Sprint(clients), op, "--total", fmt.Sprint(total)}
	if op == "put" {
		args = append(args, "--key-size", "16", "--val-size", "256", "--sequential-keys", "--key-space-size", "10000000")
	} else {
		args = append(args, key)
	}
	out, err := exec.Command(filepath.Join(o.bin, "benchmark"), args...).CombinedOutput()
	if err != nil {
		return 0, 0, fmt.Errorf("benchmark %q: %w: %s", args, err, out)
	}
	if bytes.Contains(out, []byte("Error distribution")) {
		return 0, 0, fmt.Errorf("benchmark %q: some requests failed: %s", args, out)
	}
	for _, f := range []struct {
		re *regexp.Regexp
		to *float64
	}{{perSecond, &rate}, {slowest, &p99}} {
		m := f.re.FindSubmatch(out)
		if m == nil {
			return 0, 0, fmt.Errorf("benchmark %q: no %v in %s", args, f.re, out)
		}
		if *f.to, err = strconv.ParseFloat(string(m[1]), 64); err != nil {
			return 0, 0, err
		}
	}
	return rate, p99, nil
}

// fill makes o.keys keys, 100 in a transaction.
func (o *options) fill(s system, dir string) (err error) {
	c, _, err := start(o, s, 1, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	client, err := connect(c.endpoints[0])
	if err != nil {
		return err
	}
	defer client.Close()
	const workers, ops = 16, 100
	value := strings.Repeat("v", 256)
	failed := make(chan error, workers)
	for w := range workers {
		go func() {
			for at := w * ops; at < o.keys; at += workers * ops {
				var puts []clientv3.Op
				for i := at; i < min(at+ops, o.keys); i++ {
					puts = append(puts, clientv3.OpPut(fmt.Sprintf("/keys/%010d", i), value))
				}
				if _, err := client.Txn(context.Background()).Then(puts...).Commit(); err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for range workers {
		err = errors.Join(err, <-failed)
	}
	return err
}

// restart measures the time from the start of a member on a filled directory until it answers.
func (o *options) restart(t *table, s system, dir string) error {
	c, took, err := start(o, s, 1, dir)
	if err != nil {
		return err
	}
	t.add(fmt.Sprintf("members=1/keys=%d/restart", o.keys), "s", s, took.Seconds())
	return c.stop()
}

// watch measures how long an event takes from the sending of its put, with few and with many watchers of the key.
func (o *options) watch(t *table, s system) (err error) {
	dir, err := os.MkdirTemp(o.dir, "watch")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c, _, err := start(o, s, 1, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	for _, w := range []struct{ streams, each, puts int }{{1, 1, 300}, {100, 100, 15}} {
		took, err := events(c, w.streams, w.each, w.puts)
		if err != nil {
			return err
		}
		slices.Sort(took)
		cell := fmt.Sprintf("members=1/watchers=%d/", w.streams*w.each)
		t.add(cell+"watch", "ms", s, took[len(took)/2])
		t.add(cell+"watch-p99", "ms", s, took[len(took)*99/100])
	}
	return nil
}

// events puts a key, one put after the other, and returns how many milliseconds each event took.
func events(c *cluster, streams, each, puts int) (took []float64, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	writer, err := connect(c.endpoints[0])
	if err != nil {
		return nil, err
	}
	defer writer.Close()
	var mu sync.Mutex // took and sent
	var sent time.Time
	var arrived, ready sync.WaitGroup
	name := fmt.Sprint("watched by ", streams*each)
	for range streams {
		client, err := connect(c.endpoints[0])
		if err != nil {
			return nil, err
		}
		defer client.Close()
		for range each {
			ready.Add(1)
			ch := client.Watch(ctx, name, clientv3.WithCreatedNotify())
			go func() {
				for r := range ch {
					if r.Created {
						ready.Done()
					}
					for range r.Events {
						now := time.Now()
						mu.Lock()
						took = append(took, now.Sub(sent).Seconds()*1000)
						mu.Unlock()
						arrived.Done()
					}
				}
			}()
		}
	}
	ready.Wait()
	value := strings.Repeat("v", 256)
	for range puts {
		arrived.Add(streams * each)
		mu.Lock()
		sent = time.Now()
		mu.Unlock()
		if _, err := writer.Put(ctx, name, value); err != nil {
			return nil, err
		}
		arrived.Wait()
	}
	return took, nil
}
