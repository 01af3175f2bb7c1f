package rpc

// Fast is a method that does not wait. It is called by the goroutine that reads the connection, with
// a message that is valid until it returns, and ends with Call.Done, now or later.
type Fast func(c Call, from Caller, msg []byte)

// Call is a fast call that is to be answered.
type Call struct{ st *stream }

// Reply is the answer to a fast call. One of its methods is called, once.
type Reply interface {
	// AppendReply appends the response, or returns why there is none, of which the client is told
	// code and text. It is called by the goroutine that writes the connection, in the order of the
	// calls of Done, and holds up all that come behind.
	AppendReply(b []byte) ([]byte, error)
	// Drop is called instead when the connection has ended.
	Drop()
}

// Done answers the call. It must be called once, does not wait, and may be called from anywhere.
func (c Call) Done(r Reply) {
	conn := c.st.c
	conn.mu.Lock()
	if conn.closed {
		conn.mu.Unlock()
		r.Drop()
		return
	}
	conn.done = append(conn.done, finished{c.st, r})
	conn.rouse()
	conn.mu.Unlock()
}
