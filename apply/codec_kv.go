package apply

// decoder decodes commands into memory that it uses again: what it returns is valid until the next
// begin.
type decoder struct {
	reader
	puts     pool[Put]
	deletes  pool[DeleteRange]
	ranges   pool[Range]
	txns     pool[Txn]
	ops      []Op
	compares []Compare
}

// begin makes b the input and the memory free.
func (d *decoder) begin(b []byte) {
	d.reader = reader{b: b}
	d.puts.used, d.deletes.used, d.ranges.used, d.txns.used = 0, 0, 0, 0
	clear(d.ops)
	clear(d.compares)
	d.ops, d.compares = d.ops[:0], d.compares[:0]
}

// pool hands out items that stay where they are.
type pool[T any] struct {
	items []*T
	used  int
}

// next returns an item, to be overwritten as a whole.
func (p *pool[T]) next() *T {
	if p.used == len(p.items) {
		p.items = append(p.items, new(T))
	}
	p.used++
	return p.items[p.used-1]
}

const (
	flagPrevKV byte = 1 << iota
	flagIgnoreValue
	flagIgnoreLease
	flagLease
	putFlags = 1<<iota - 1
)

// Append appends the binary form of p.
func (p *Put) Append(dst []byte) []byte {
	dst = append(dst, byte(KindPut), flag(p.PrevKV, flagPrevKV)|flag(p.IgnoreValue, flagIgnoreValue)|
		flag(p.IgnoreLease, flagIgnoreLease)|flag(p.Lease != 0, flagLease))
	dst = appendBytes(dst, p.Key)
	if p.Lease != 0 {
		dst = appendInt(dst, int64(p.Lease))
	}
	return appendBytes(dst, p.Value)
}

func (d *decoder) put() *Put {
	p := d.puts.next()
	flags := d.enum(putFlags)
	*p = Put{
		PrevKV: flags&flagPrevKV != 0, IgnoreValue: flags&flagIgnoreValue != 0, IgnoreLease: flags&flagIgnoreLease != 0,
		Key: d.bytes(),
	}
	if flags&flagLease != 0 {
		if p.Lease = LeaseID(d.int()); p.Lease == 0 {
			d.fail("lease 0")
		}
	}
	p.Value = d.bytes()
	return p
}

// Append appends the binary form of r.
func (r *DeleteRange) Append(dst []byte) []byte {
	dst = append(dst, byte(KindDeleteRange), flag(r.PrevKV, flagPrevKV))
	return appendBytes(appendBytes(dst, r.Key), r.End)
}

func (d *decoder) deleteRange() *DeleteRange {
	r := d.deletes.next()
	*r = DeleteRange{PrevKV: d.enum(flagPrevKV) != 0, Key: d.bytes(), End: d.bytes()}
	return r
}

const (
	flagKeysOnly byte = 1 << iota
	flagCountOnly
	flagSort
	flagFilter
	rangeFlags = 1<<iota - 1
)

func (r *Range) filters() bool {
	return r.MinMod != 0 || r.MaxMod != 0 || r.MinCreate != 0 || r.MaxCreate != 0
}

// Append appends the binary form of r.
func (r *Range) Append(dst []byte) []byte {
	sorted := r.Order != SortNone || r.Target != SortByKey
	dst = append(dst, byte(KindRange), flag(r.KeysOnly, flagKeysOnly)|flag(r.CountOnly, flagCountOnly)|
		flag(sorted, flagSort)|flag(r.filters(), flagFilter))
	dst = appendBytes(appendBytes(dst, r.Key), r.End)
	dst = appendInt(appendInt(dst, r.Limit), r.Rev)
	if sorted {
		dst = append(dst, byte(r.Order), byte(r.Target))
	}
	if r.filters() {
		dst = appendInt(appendInt(appendInt(appendInt(dst, r.MinMod), r.MaxMod), r.MinCreate), r.MaxCreate)
	}
	return dst
}

func (d *decoder) rangeOp() *Range {
	r := d.ranges.next()
	flags := d.enum(rangeFlags)
	*r = Range{
		KeysOnly: flags&flagKeysOnly != 0, CountOnly: flags&flagCountOnly != 0,
		Key: d.bytes(), End: d.bytes(), Limit: d.int(), Rev: d.int(),
	}
	if flags&flagSort != 0 {
		r.Order, r.Target = SortOrder(d.enum(byte(SortDescend))), SortTarget(d.enum(byte(SortByValue)))
		if r.Order == SortNone && r.Target == SortByKey {
			d.fail("sorted by nothing")
		}
	}
	if flags&flagFilter != 0 {
		r.MinMod, r.MaxMod, r.MinCreate, r.MaxCreate = d.int(), d.int(), d.int(), d.int()
		if !r.filters() {
			d.fail("filtered by nothing")
		}
	}
	return r
}

// Append appends the binary form of t.
func (t *Txn) Append(dst []byte) []byte {
	dst = append(dst, byte(KindTxn))
	dst = appendUint(dst, uint64(len(t.Compares)))
	for i := range t.Compares {
		dst = t.Compares[i].append(dst)
	}
	for _, ops := range [2][]Op{t.Success, t.Failure} {
		dst = appendUint(dst, uint64(len(ops)))
		for i := range ops {
			dst = ops[i].append(dst)
		}
	}
	return dst
}

func (c *Compare) append(dst []byte) []byte {
	dst = append(dst, byte(c.Target)<<4|byte(c.Result))
	dst = appendBytes(appendBytes(dst, c.Key), c.End)
	if c.Target == CompareValue {
		return appendBytes(dst, c.Value)
	}
	return appendInt(dst, c.Number)
}

func (o *Op) append(dst []byte) []byte {
	switch {
	case o.Put != nil:
		return o.Put.Append(dst)
	case o.Range != nil:
		return o.Range.Append(dst)
	case o.Delete != nil:
		return o.Delete.Append(dst)
	case o.Txn != nil:
		return o.Txn.Append(dst)
	}
	return append(dst, 0) // refused by Decode
}

// Least bytes of a compare and an operation.
const (
	minCompare = 4
	minOp      = 4
)

func (d *decoder) txn(depth int) *Txn {
	t := d.txns.next()
	*t = Txn{}
	if depth == maxDepth {
		d.fail("nested too deep")
		return t
	}
	t.Compares = d.compareList()
	t.Success = d.opList(depth)
	t.Failure = d.opList(depth)
	return t
}

func (d *decoder) compareList() []Compare {
	n, from := d.count(minCompare), len(d.compares)
	for range n {
		both := d.byte()
		c := Compare{Target: CompareTarget(both >> 4), Result: CompareResult(both & 15), Key: d.bytes(), End: d.bytes()}
		if c.Target > CompareLease || c.Result > NotEqual {
			d.fail("unknown compare")
		}
		if c.Target == CompareValue {
			c.Value = d.bytes()
		} else {
			c.Number = d.int()
		}
		if d.bad != "" {
			return nil
		}
		d.compares = append(d.compares, c)
	}
	return d.compares[from:len(d.compares):len(d.compares)]
}

// opList decodes into a part of d.ops that is taken as a whole first: nested lists come behind it.
func (d *decoder) opList(depth int) []Op {
	n, from := d.count(minOp), len(d.ops)
	if n == 0 {
		return nil
	}
	for range n {
		d.ops = append(d.ops, Op{})
	}
	list := d.ops[from:len(d.ops):len(d.ops)]
	for i := range list {
		switch Kind(d.byte()) {
		case KindPut:
			list[i].Put = d.put()
		case KindRange:
			list[i].Range = d.rangeOp()
		case KindDeleteRange:
			list[i].Delete = d.deleteRange()
		case KindTxn:
			list[i].Txn = d.txn(depth + 1)
		default:
			d.fail("unknown kind of operation")
		}
		if d.bad != "" {
			return nil
		}
	}
	return list
}
