package apply_test

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/internal/seedtest"
)

// sampler makes random commands over few keys.
type sampler struct {
	r *rand.Rand
	// wild commands are any that can be encoded; others are such that a server would let through.
	wild bool
	rev  int64 // a revision not far from the current one
	ids  int64 // leases are 1 to ids
}

func (s *sampler) bytes(most int) []byte {
	n := s.r.IntN(most + 1)
	if n == 0 {
		return nil
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(s.r.Uint32())
	}
	return b
}

func (s *sampler) key() []byte {
	if s.wild && s.r.IntN(4) == 0 {
		return s.bytes(40)
	}
	return []byte{'k', byte('a' + s.r.IntN(8)), byte('a' + s.r.IntN(4))}[:2+s.r.IntN(2)]
}

func (s *sampler) end() []byte {
	switch s.r.IntN(4) {
	case 0:
		return []byte{0}
	case 1:
		return s.key()
	}
	return nil
}

func (s *sampler) bool() bool { return s.r.IntN(2) == 0 }

func (s *sampler) number() int64 {
	if s.wild {
		return int64(s.r.Uint64() >> s.r.IntN(64))
	}
	return max(0, s.rev-s.r.Int64N(20)+2)
}

func (s *sampler) lease() apply.LeaseID {
	if s.r.IntN(3) > 0 {
		return 0
	}
	return apply.LeaseID(1 + s.r.Int64N(max(s.ids, 5)))
}

func (s *sampler) put() *apply.Put {
	p := &apply.Put{Key: s.key(), Value: s.bytes(20), Lease: s.lease(), PrevKV: s.bool()}
	if s.r.IntN(8) == 0 {
		p.IgnoreValue, p.Value = true, nil
	}
	if s.r.IntN(8) == 0 {
		p.IgnoreLease, p.Lease = true, 0
	}
	return p
}

func (s *sampler) deleteRange() *apply.DeleteRange {
	return &apply.DeleteRange{Key: s.key(), End: s.end(), PrevKV: s.bool()}
}

func (s *sampler) rangeOp() *apply.Range {
	r := &apply.Range{Key: s.key(), End: s.end(), KeysOnly: s.r.IntN(4) == 0, CountOnly: s.r.IntN(8) == 0}
	if s.bool() {
		r.Limit = s.r.Int64N(8)
	}
	if s.r.IntN(4) == 0 {
		r.Rev = s.number()
	}
	if s.bool() {
		r.Order, r.Target = apply.SortOrder(s.r.IntN(3)), apply.SortTarget(s.r.IntN(5))
	}
	for _, p := range []*int64{&r.MinMod, &r.MaxMod, &r.MinCreate, &r.MaxCreate} {
		if s.r.IntN(8) == 0 {
			*p = s.number()
		}
	}
	return r
}

func (s *sampler) txn(depth int) *apply.Txn {
	t := &apply.Txn{Success: s.ops(depth), Failure: s.ops(depth)}
	for range s.r.IntN(3) {
		c := apply.Compare{
			Key: s.key(), End: s.end(),
			Target: apply.CompareTarget(s.r.IntN(5)), Result: apply.CompareResult(s.r.IntN(4)),
		}
		switch c.Target {
		case apply.CompareValue:
			c.Value = s.bytes(2)
		case apply.CompareLease:
			c.Number = int64(s.lease())
		case apply.CompareVersion:
			c.Number = s.r.Int64N(4)
		default:
			if s.bool() {
				c.Number = s.number()
			}
		}
		t.Compares = append(t.Compares, c)
	}
	return t
}

func (s *sampler) ops(depth int) (ops []apply.Op) {
	for range s.r.IntN(4) {
		var o apply.Op
		switch n := s.r.IntN(8); {
		case n < 3:
			o.Put = s.put()
		case n < 5:
			o.Range = s.rangeOp()
		case n < 7:
			o.Delete = s.deleteRange()
		case depth > 0:
			o.Txn = s.txn(depth - 1)
		default:
			o.Range = s.rangeOp()
		}
		ops = append(ops, o)
	}
	return ops
}

func (s *sampler) member() apply.Member {
	return apply.Member{
		ID: 1 + s.r.Uint64N(5), Name: string(s.bytes(5)), Learner: s.bool(), Incarnation: s.r.Uint64N(3), MaxWriteBytes: s.r.Uint64N(1 << 21),
		PeerURLs: []string{string(s.bytes(9)), "x"}[:1+s.r.IntN(2)], ClientURLs: []string{string(s.bytes(9))},
	}
}

func (s *sampler) command() apply.Command {
	if s.r.IntN(12) == 0 { // so that alarms do not last
		return &apply.Alarm{Member: 7, Type: apply.AlarmType(1 + s.r.IntN(2)), Clear: true}
	}
	switch n := s.r.IntN(100); {
	case n < 40:
		return s.put()
	case n < 50:
		return s.deleteRange()
	case n < 75:
		return s.txn(3)
	case n < 80:
		return &apply.Compact{Rev: s.number() - 8}
	case n < 86:
		return &apply.LeaseGrant{ID: s.lease(), TTL: s.number()}
	case n < 90:
		return &apply.LeaseRevoke{ID: s.lease(), Term: s.r.Uint64N(3), Grant: s.r.Uint64N(2) * s.r.Uint64N(5)}
	case n < 94:
		c := &apply.LeaseCheckpoint{Term: s.r.Uint64N(3), Seq: s.r.Uint64N(20)}
		for range s.r.IntN(3) {
			c.Leases = append(c.Leases, apply.LeaseRemaining{ID: s.lease(), Remaining: s.number()})
		}
		return c
	case n < 96:
		return &apply.Alarm{Member: 7, Type: apply.AlarmType(s.r.IntN(3)), Clear: s.bool()}
	case n < 98:
		return &apply.SetMember{Fields: apply.MemberFields(s.r.IntN(16)), Member: s.member()}
	case n < 99 && s.wild:
		return &apply.MemberChange{Promote: s.bool(), MaxLearners: s.r.Uint64N(3), Member: s.member()}
	}
	return &apply.ClusterVersion{Version: string(s.bytes(6))}
}

func TestACommandIsDecodedAsItWasEncoded(t *testing.T) {
	s := &sampler{r: seedtest.Rand(t), wild: true}
	for range rounds(2_000, 20_000) {
		c := s.command()
		b := c.Append([]byte("before"))
		got, err := apply.Decode(b[len("before"):])
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		if again := got.Append(nil); !bytes.Equal(again, b[len("before"):]) || reflect.TypeOf(got) != reflect.TypeOf(c) {
			t.Fatalf("%+v became %+v", c, got)
		}
		if p, ok := c.(*apply.Put); ok && !reflect.DeepEqual(p, got) {
			t.Fatalf("%+v became %+v", c, got)
		}
		if tx, ok := c.(*apply.Txn); ok {
			if !reflect.DeepEqual(normal(*tx), normal(*got.(*apply.Txn))) {
				t.Fatalf("%+v became %+v", c, got)
			}
		}
		// No beginning and no continuation of it is a command.
		if _, err := apply.Decode(b[len("before") : len(b)-1]); err == nil {
			t.Fatalf("%x is a command, too", b[len("before"):len(b)-1])
		}
		if _, err := apply.Decode(append(b[len("before"):], 0)); err == nil {
			t.Fatalf("%x and a zero is a command, too", b[len("before"):])
		}
	}
}

// normal makes empty lists nil, at all depths.
func normal(t apply.Txn) apply.Txn {
	if len(t.Compares) == 0 {
		t.Compares = nil
	}
	for _, list := range []*[]apply.Op{&t.Success, &t.Failure} {
		ops := append([]apply.Op(nil), *list...)
		for i := range ops {
			if ops[i].Txn != nil {
				n := normal(*ops[i].Txn)
				ops[i].Txn = &n
			}
		}
		*list = ops
	}
	return t
}

func TestNestingHasABottom(t *testing.T) {
	deep := &apply.Txn{}
	for range 10_000 {
		deep = &apply.Txn{Success: []apply.Op{{Txn: deep}}}
	}
	if _, err := apply.Decode(deep.Append(nil)); err == nil {
		t.Error("a transaction in 10,000 others is decoded")
	}
}

func FuzzDecode(f *testing.F) {
	s := &sampler{r: rand.New(rand.NewPCG(1, 0)), wild: true}
	for range 100 {
		f.Add(s.command().Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		c, err := apply.Decode(b)
		if err != nil {
			return
		}
		if got := c.Append(nil); !bytes.Equal(got, b) {
			t.Errorf("%x is decoded as %+v, which is %x", b, c, got)
		}
		if !bytes.Equal(before, b) {
			t.Error("Decode has changed its input")
		}
	})
}
