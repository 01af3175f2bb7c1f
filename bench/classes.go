package bench

import (
	"context"
	"errors"
	"sync"
)

// Names of the error classes that the Runner gives by itself; a Target's ErrorClass gives others.
const (
	ClassTimeout  = "timeout"  // the operation's own deadline passed
	ClassCanceled = "canceled" // the phase or the run ended before it did
	ClassOther    = "other"
)

// classify names the class of an error: the target's name for it, unless it is the context's.
func classify(err error, own func(error) string) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return ClassTimeout
	case errors.Is(err, context.Canceled):
		return ClassCanceled
	case own != nil:
		if name := own(err); name != "" {
			return name
		}
	}
	return ClassOther
}

// ownClass is a target's own way to name classes.
func ownClass(t Target) func(error) string {
	if c, ok := t.(ErrorClasser); ok {
		return c.ErrorClass
	}
	return func(error) string { return "" }
}

// classes numbers the names of error classes. Safe for concurrent use; only errors pass here.
type classes struct {
	mu    sync.Mutex
	names []string // of class 1, 2, …
}

func (c *classes) number(name string) uint8 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, n := range c.names {
		if n == name {
			return uint8(i + 1)
		}
	}
	if len(c.names) == 254 {
		name = ClassOther
	}
	if len(c.names) == 255 {
		return 255
	}
	c.names = append(c.names, name)
	return uint8(len(c.names))
}

func (c *classes) name(number uint8) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.names[number-1]
}
