package difftest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

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
		slices.SortFunc(m.Leases, func(a, b *pb.LeaseStatus) int { return cmp.Compare(a.ID, b.ID) })
	case *pb.StatusResponse:
		m.DbSize, m.DbSizeInUse, m.RaftIndex, m.RaftAppliedIndex, m.RaftTerm = 0, 0, 0, 0, 0
		m.StorageVersion = "" // a new etcd has that of 3.5 for a moment
		slices.Sort(m.Errors) // etcd walks a map
	case *pb.AlarmResponse:
		slices.SortFunc(m.Alarms, func(a, b *pb.AlarmMember) int { return cmp.Compare(a.Alarm, b.Alarm) }) // likewise
	case *pb.MemberAddResponse:
		if m.Member.ID != 0 {
			m.Member.ID = 1
		}
		anonymous(m.Members)
	case *pb.MemberListResponse:
		anonymous(m.Members)
	case *pb.MemberRemoveResponse:
		anonymous(m.Members)
	case *pb.MemberUpdateResponse:
		anonymous(m.Members)
	case *pb.MemberPromoteResponse:
		anonymous(m.Members)
	}
}

// anonymous takes ids and the ports of the test out of a list of members, and brings it in an order:
// etcd sorts by id.
func anonymous(list []*pb.Member) {
	for _, m := range list {
		if m.ID != 0 {
			m.ID = 1
		}
		if m.Name != "" {
			m.PeerURLs, m.ClientURLs = []string{fmt.Sprint(len(m.PeerURLs))}, []string{fmt.Sprint(len(m.ClientURLs))}
		}
	}
	slices.SortFunc(list, func(a, b *pb.Member) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), slices.Compare(a.PeerURLs, b.PeerURLs))
	})
}

// substitute replaces the id of the member itself where a response names it.
func substitute(m proto.Message, self uint64) {
	switch m := m.(type) {
	case *pb.AlarmResponse:
		for _, a := range m.Alarms {
			if a.MemberID == self {
				a.MemberID = 1
			}
		}
	case *pb.StatusResponse:
		if m.Leader == self {
			m.Leader = 1
		}
		for i := range m.Errors {
			m.Errors[i] = strings.ReplaceAll(m.Errors[i], fmt.Sprint(self), "1")
			m.Errors[i] = strings.ReplaceAll(m.Errors[i], "  ", " ") // one space or two: it depends on the binary
		}
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
