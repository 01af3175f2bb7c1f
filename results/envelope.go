package results

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Errors of reading a stored record; a Problem wraps one of them or ErrRecord or ErrHistogram.
var (
	// ErrDamaged: the file is not, byte for byte, what was written: torn, flipped or edited.
	ErrDamaged = errors.New("results: damaged record")
	// ErrSchema: the file or directory was written in a schema that this version does not read.
	ErrSchema = errors.New("results: unknown schema")
	// ErrTooBig: the file is larger than any record that this version writes.
	ErrTooBig = errors.New("results: file too big")
)

// maxRecordBytes bounds a stored record. A run of a day with a sample a second takes some 30 MB.
const maxRecordBytes = 64 << 20

// envelope is the content of a run's file. SHA256 is over the bytes of Record as they stand in the
// file. It has one spelling only (encodeEnvelope's), so that no change goes unnoticed, not even of
// white space.
type envelope struct {
	Etalon string          `json:"etalon"` // "run"
	Schema int             `json:"schema"`
	SHA256 string          `json:"sha256"`
	Record json.RawMessage `json:"record"`
}

// Encode returns the stored form of r, which Decode reads. It answers ErrRecord for a record that
// does not pass Check.
func Encode(r *Record) ([]byte, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrRecord, r.ID, err)
	}
	data, err := encodeEnvelope(body)
	if err == nil && len(data) > maxRecordBytes {
		err = fmt.Errorf("%w: %s: %d bytes, at most %d are written", ErrTooBig, r.ID, len(data), maxRecordBytes)
	}
	return data, err
}

func encodeEnvelope(body []byte) ([]byte, error) {
	sum := sha256.Sum256(body)
	data, err := json.Marshal(envelope{Etalon: "run", Schema: Schema, SHA256: hex.EncodeToString(sum[:]), Record: body})
	if err != nil {
		return nil, fmt.Errorf("results: encode record: %w", err)
	}
	return append(data, '\n'), nil
}

// Decode reads what Encode wrote. Anything else, to the last bit, is refused with ErrDamaged,
// ErrSchema, ErrTooBig, ErrRecord or ErrHistogram.
func Decode(data []byte) (*Record, error) {
	if len(data) > maxRecordBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are read", ErrTooBig, len(data), maxRecordBytes)
	}
	var e envelope
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("%w: truncated or no record at all: %w", ErrDamaged, err)
	}
	if e.Etalon != "run" {
		return nil, fmt.Errorf("%w: it is not a run of Etalon", ErrDamaged)
	}
	if e.Schema != Schema {
		return nil, fmt.Errorf("%w: the record has schema %d, this version reads %d", ErrSchema, e.Schema, Schema)
	}
	want, err := encodeEnvelope(e.Record)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if !bytes.Equal(data, want) {
		return nil, fmt.Errorf("%w: the content does not have the SHA-256 that was written with it", ErrDamaged)
	}
	r := new(Record)
	dec := json.NewDecoder(bytes.NewReader(e.Record))
	dec.DisallowUnknownFields()
	if err := dec.Decode(r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: more than one value", ErrRecord)
	}
	if err := r.Check(); err != nil {
		return nil, err
	}
	return r, nil
}
