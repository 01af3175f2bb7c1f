package mvcc_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/etalon-kv/etalon/engines/mem"
	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/mvcc/index/packed"
)

// TestAnAnswerIsItsCallersOwn: the memory of a range is used again, that of its answer must not be,
// whether the answer is small or larger than what is kept.
func TestAnAnswerIsItsCallersOwn(t *testing.T) {
	b, err := mem.Open(mem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	s, err := mvcc.Open(t.Context(), mvcc.Config{Backend: b, Index: packed.New()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sizes := []int{10, 1000, 700_000, 20} // the third is more than is kept
	for i, size := range sizes {
		w, err := s.Begin()
		if err != nil {
			t.Fatal(err)
		}
		for k := range 2 {
			if _, err := w.Put(fmt.Appendf(nil, "%d.%d", i, k), bytes.Repeat([]byte{byte('a' + i)}, size), 0); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Commit(false); err != nil {
			t.Fatal(err)
		}
	}
	var answers []mvcc.RangeResult
	for i := range sizes {
		r, err := s.Range(fmt.Append(nil, i), fmt.Append(nil, i+1), mvcc.RangeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, r)
	}
	for i, size := range sizes {
		if len(answers[i].KVs) != 2 {
			t.Fatalf("range %d has %d keys, want 2", i, len(answers[i].KVs))
		}
		for k, kv := range answers[i].KVs {
			if string(kv.Key) != fmt.Sprintf("%d.%d", i, k) || !bytes.Equal(kv.Value, bytes.Repeat([]byte{byte('a' + i)}, size)) {
				t.Errorf("answer %d has another key or value at place %d after later ranges", i, k)
			}
		}
	}
}
