package difftest

import (
	"fmt"
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// answer is what a server said to one request: a response or an error.
type answer struct {
	msg proto.Message
	err error
}

// difference compares the answers of the reference and of the server under test; "" is none.
func difference(want, got answer) string {
	if w, g := errorText(want.err), errorText(got.err); w != g {
		return fmt.Sprintf("  etcd    %s\n  etalon  %s", orResponse(w, want), orResponse(g, got))
	}
	if want.err != nil {
		return ""
	}
	normalize(want.msg)
	normalize(got.msg)
	if proto.Equal(want.msg, got.msg) {
		return ""
	}
	return fmt.Sprintf("  etcd    %s\n  etalon  %s", text(want.msg), text(got.msg))
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	s := status.Convert(err)
	return fmt.Sprintf("error %v: %s", s.Code(), s.Message())
}

func orResponse(errText string, a answer) string {
	if errText != "" {
		return errText
	}
	return text(a.msg)
}

func text(m proto.Message) string {
	return string(m.ProtoReflect().Descriptor().Name()) + " " + prototext.MarshalOptions{}.Format(m)
}

// normalize takes out what two right servers may answer differently: who they are, their terms, and
// the seconds that passed since a lease was renewed.
func normalize(m proto.Message) {
	if h, ok := m.(interface{ GetHeader() *pb.ResponseHeader }); ok && h.GetHeader() != nil {
		blank(h.GetHeader())
	}
	switch m := m.(type) {
	case *pb.TxnResponse:
		normalizeTxn(m)
	case *pb.LeaseTimeToLiveResponse:
		if m.TTL > 0 {
			m.TTL = 0
		}
		slices.SortFunc(m.Keys, slices.Compare) // etcd walks a map
	case *pb.LeaseLeasesResponse:
		// Sorted by when they end, which for leases of one length is a race.
		slices.SortFunc(m.Leases, func(a, b *pb.LeaseStatus) int { return int(a.ID - b.ID) })
	}
}

func normalizeTxn(m *pb.TxnResponse) {
	for _, r := range m.Responses {
		switch r := r.Response.(type) {
		case *pb.ResponseOp_ResponseRange:
			blank(r.ResponseRange.Header)
		case *pb.ResponseOp_ResponsePut:
			blank(r.ResponsePut.Header)
		case *pb.ResponseOp_ResponseDeleteRange:
			blank(r.ResponseDeleteRange.Header)
		case *pb.ResponseOp_ResponseTxn:
			blank(r.ResponseTxn.Header)
			normalizeTxn(r.ResponseTxn)
		}
	}
}

func blank(h *pb.ResponseHeader) {
	if h != nil {
		h.ClusterId, h.MemberId, h.RaftTerm = 0, 0, 0
	}
}
