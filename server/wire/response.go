package wire

import "github.com/etalon-kv/etalon/apply"

// Response is the answer to a call of the KV service: a header and one result, whose Rev goes into
// the header.
type Response struct {
	Header Header
	Put    *apply.PutResult
	Range  *apply.RangeResult
	Delete *apply.DeleteRangeResult
	Txn    *apply.TxnResult
}

// Size is the length of the encoded message.
func (r *Response) Size() int {
	n := sizeBlock(r.Header.size())
	switch {
	case r.Put != nil:
		return n + sizePut(r.Put)
	case r.Range != nil:
		return n + sizeRange(r.Range)
	case r.Delete != nil:
		return n + sizeDelete(r.Delete)
	case r.Txn != nil:
		return n + sizeTxn(r.Txn)
	}
	return n
}

// Append appends the encoded message.
func (r *Response) Append(b []byte) []byte {
	b = r.Header.append(appendBlock(b, 1, r.Header.size()))
	switch {
	case r.Put != nil:
		return appendPut(b, r.Put)
	case r.Range != nil:
		return appendRange(b, r.Range)
	case r.Delete != nil:
		return appendDelete(b, r.Delete)
	case r.Txn != nil:
		return appendTxn(b, r.Txn)
	}
	return b
}

// What follows writes responses without their headers.

func sizePut(r *apply.PutResult) int {
	if r.PrevKV == nil {
		return 0
	}
	return sizeBlock(sizeKV(r.PrevKV))
}

func appendPut(b []byte, r *apply.PutResult) []byte {
	if r.PrevKV == nil {
		return b
	}
	return appendKV(appendBlock(b, 2, sizeKV(r.PrevKV)), r.PrevKV)
}

func sizeRange(r *apply.RangeResult) int {
	return sizeKVs(r.KVs) + sizeBool(r.More) + sizeInt(r.Count)
}

func appendRange(b []byte, r *apply.RangeResult) []byte {
	b = appendKVs(b, 2, r.KVs)
	b = appendBool(b, 3, r.More)
	return appendInt(b, 4, r.Count)
}

func sizeDelete(r *apply.DeleteRangeResult) int { return sizeInt(r.Deleted) + sizeKVs(r.PrevKVs) }

func appendDelete(b []byte, r *apply.DeleteRangeResult) []byte {
	return appendKVs(appendInt(b, 2, r.Deleted), 3, r.PrevKVs)
}

func sizeKVs(kvs []apply.KeyValue) (n int) {
	for i := range kvs {
		n += sizeBlock(sizeKV(&kvs[i]))
	}
	return n
}

func appendKVs(b []byte, num byte, kvs []apply.KeyValue) []byte {
	for i := range kvs {
		b = appendKV(appendBlock(b, num, sizeKV(&kvs[i])), &kvs[i])
	}
	return b
}

func sizeTxn(r *apply.TxnResult) int {
	n := sizeBool(r.Succeeded)
	for i := range r.Ops {
		n += sizeBlock(sizeOp(&r.Ops[i]))
	}
	return n
}

func appendTxn(b []byte, r *apply.TxnResult) []byte {
	b = appendBool(b, 2, r.Succeeded)
	for i := range r.Ops {
		b = appendOp(appendBlock(b, 3, sizeOp(&r.Ops[i])), &r.Ops[i])
	}
	return b
}

// inner returns the number of the field that holds the response of an operation, the length of
// that without its header, and the header, which has but a revision.
func inner(r *apply.OpResult) (num byte, size int, h Header) {
	switch {
	case r.Range != nil:
		return 1, sizeRange(r.Range), Header{Revision: r.Range.Rev}
	case r.Put != nil:
		return 2, sizePut(r.Put), Header{Revision: r.Put.Rev}
	case r.Delete != nil:
		return 3, sizeDelete(r.Delete), Header{Revision: r.Delete.Rev}
	case r.Txn != nil:
		return 4, sizeTxn(r.Txn), Header{Revision: r.Txn.Rev}
	}
	return 0, 0, Header{}
}

func sizeOp(r *apply.OpResult) int {
	num, size, h := inner(r)
	if num == 0 {
		return 0
	}
	return sizeBlock(sizeBlock(h.size()) + size)
}

func appendOp(b []byte, r *apply.OpResult) []byte {
	num, size, h := inner(r)
	if num == 0 {
		return b
	}
	b = appendBlock(b, num, sizeBlock(h.size())+size)
	b = h.append(appendBlock(b, 1, h.size()))
	switch num {
	case 1:
		return appendRange(b, r.Range)
	case 2:
		return appendPut(b, r.Put)
	case 3:
		return appendDelete(b, r.Delete)
	}
	return appendTxn(b, r.Txn)
}
