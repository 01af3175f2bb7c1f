// Package freeport finds addresses for servers that are still to be started, by others or later.
package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports lie below those that systems give to whoever names none (from 32768 on under Linux, from 49152
// elsewhere), so that no connection takes one before its server listens, or while that is down.
const (
	first = 21_000 // below are those of server/difftest
	ports = 11_000
	tries = 1_000
)

// Find returns n different addresses on 127.0.0.1 that nobody listens on at the moment.
func Find(n int) ([]string, error) {
	var found []string
	last := errors.New("not tried often enough")
	for range tries {
		if len(found) == n {
			return found, nil
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.IntN(ports))))
		if err != nil {
			last = err
			continue
		}
		defer l.Close() // in the end: until then nobody gets it twice
		found = append(found, l.Addr().String())
	}
	return nil, fmt.Errorf("%d of %d free ports found from %d to %d: %w", len(found), n, first, first+ports-1, last)
}
