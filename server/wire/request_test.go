package wire

import (
	"reflect"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/etalon-kv/etalon/apply"
)

// twin is a message that the generated code has decoded, in the form of this package.
func twinRange(r *pb.RangeRequest) apply.Range {
	return apply.Range{
		Key: r.Key, End: r.RangeEnd, Limit: r.Limit, Rev: r.Revision,
		Order: apply.SortOrder(twinEnum(int32(r.SortOrder))), Target: apply.SortTarget(twinEnum(int32(r.SortTarget))),
		KeysOnly: r.KeysOnly, CountOnly: r.CountOnly,
		MinMod: r.MinModRevision, MaxMod: r.MaxModRevision, MinCreate: r.MinCreateRevision, MaxCreate: r.MaxCreateRevision,
	}
}

func twinEnum(v int32) byte {
	if v < 0 || v >= 255 {
		return 255
	}
	return byte(v)
}

func twinPut(r *pb.PutRequest) apply.Put {
	return apply.Put{
		Key: r.Key, Value: r.Value, Lease: apply.LeaseID(r.Lease), PrevKV: r.PrevKv,
		IgnoreValue: r.IgnoreValue, IgnoreLease: r.IgnoreLease,
	}
}

func twinDelete(r *pb.DeleteRangeRequest) apply.DeleteRange {
	return apply.DeleteRange{Key: r.Key, End: r.RangeEnd, PrevKV: r.PrevKv}
}

func twinTxn(r *pb.TxnRequest) apply.Txn {
	return apply.Txn{Compares: twins(r.Compare, twinCompare), Success: twins(r.Success, twinOp), Failure: twins(r.Failure, twinOp)}
}

func twins[From, To any](list []From, one func(From) To) (out []To) {
	for _, v := range list {
		out = append(out, one(v))
	}
	return out
}

func twinCompare(c *pb.Compare) apply.Compare {
	o := apply.Compare{
		Key: c.Key, End: c.RangeEnd,
		Target: apply.CompareTarget(twinEnum(int32(c.Target))), Result: apply.CompareResult(twinEnum(int32(c.Result))),
	}
	switch c.Target {
	case pb.Compare_VERSION:
		o.Number = c.GetVersion()
	case pb.Compare_CREATE:
		o.Number = c.GetCreateRevision()
	case pb.Compare_MOD:
		o.Number = c.GetModRevision()
	case pb.Compare_VALUE:
		o.Value = c.GetValue()
	case pb.Compare_LEASE:
		o.Number = c.GetLease()
	}
	settle(&o)
	return o
}

func twinOp(r *pb.RequestOp) apply.Op {
	switch o := r.Request.(type) {
	case *pb.RequestOp_RequestRange:
		v := twinRange(o.RequestRange)
		return apply.Op{Range: &v}
	case *pb.RequestOp_RequestPut:
		v := twinPut(o.RequestPut)
		return apply.Op{Put: &v}
	case *pb.RequestOp_RequestDeleteRange:
		v := twinDelete(o.RequestDeleteRange)
		return apply.Op{Delete: &v}
	case *pb.RequestOp_RequestTxn:
		v := twinTxn(o.RequestTxn)
		return apply.Op{Txn: &v}
	}
	return apply.Op{}
}

// serializable is what etcd finds of a transaction.
func serializable(r *pb.TxnRequest) bool {
	for _, ops := range [][]*pb.RequestOp{r.Success, r.Failure} {
		for _, o := range ops {
			if r := o.GetRequestRange(); r == nil || !r.Serializable {
				return false
			}
		}
	}
	return true
}

// sameDecoding has b decoded by both and compares.
func sameDecoding(t *testing.T, b []byte) {
	t.Helper()
	var rangeTheirs pb.RangeRequest
	var rangeOurs Range
	if compareErrors(t, "range", b, proto.Unmarshal(b, &rangeTheirs), rangeOurs.Decode(b)) {
		want := Range{Range: twinRange(&rangeTheirs), Serializable: rangeTheirs.Serializable}
		compare(t, "range", b, emptyAsNil(want), emptyAsNil(rangeOurs))
	}
	var putTheirs pb.PutRequest
	var putOurs apply.Put
	if compareErrors(t, "put", b, proto.Unmarshal(b, &putTheirs), DecodePut(b, &putOurs)) {
		compare(t, "put", b, emptyAsNil(twinPut(&putTheirs)), emptyAsNil(putOurs))
	}
	var deleteTheirs pb.DeleteRangeRequest
	var deleteOurs apply.DeleteRange
	if compareErrors(t, "delete", b, proto.Unmarshal(b, &deleteTheirs), DecodeDelete(b, &deleteOurs)) {
		compare(t, "delete", b, emptyAsNil(twinDelete(&deleteTheirs)), emptyAsNil(deleteOurs))
	}
	var txnTheirs pb.TxnRequest
	var txnOurs Txn
	if compareErrors(t, "txn", b, proto.Unmarshal(b, &txnTheirs), txnOurs.Decode(b)) {
		want := Txn{Txn: twinTxn(&txnTheirs), Serializable: serializable(&txnTheirs)}
		compare(t, "txn", b, emptyAsNil(want), emptyAsNil(txnOurs))
	}
}

func compareErrors(t *testing.T, what string, b []byte, theirs, ours error) bool {
	t.Helper()
	if (theirs == nil) != (ours == nil) {
		t.Fatalf("%s %x: generated code says %v, we %v", what, b, theirs, ours)
	}
	return theirs == nil
}

func compare(t *testing.T, what string, b []byte, want, got any) {
	t.Helper()
	if !reflect.DeepEqual(want, got) {
		t.Fatalf("%s %x:\ngenerated code %+v\nwe             %+v", what, b, want, got)
	}
}

// emptyAsNil makes slices of no elements nil wherever they lie in v.
func emptyAsNil[T any](v T) T {
	tidy(reflect.ValueOf(&v).Elem())
	return v
}

func tidy(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			tidy(v.Field(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			tidy(v.Elem())
		}
	case reflect.Slice:
		if v.Len() == 0 {
			v.SetZero()
			return
		}
		if k := v.Type().Elem().Kind(); k == reflect.Struct || k == reflect.Pointer {
			for i := range v.Len() {
				tidy(v.Index(i))
			}
		}
	}
}

func FuzzRequestsAreDecodedAsByTheGeneratedCode(f *testing.F) {
	for _, m := range examples() {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append(b, b...)) // everything twice
	}
	f.Add([]byte{0x0b, 0x08, 0x01, 0x0c}) // a group
	f.Add([]byte{0x0d, 1, 2, 3, 4, 0x09, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Fuzz(sameDecoding)
}

func TestRandomRequestsAreDecodedAsByTheGeneratedCode(t *testing.T) {
	r := newRandom(t)
	for range 20_000 {
		b, err := proto.Marshal(r.request())
		if err != nil {
			t.Fatal(err)
		}
		sameDecoding(t, r.damage(b))
	}
}
