package logfile

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/etalon-kv/etalon/engine"
)

// doc:record
// A record is one batch: a checksum of all that follows, the length of the payload, how much of
// the log was durable when it was written, and the payload.
type record struct {
	synced  int64
	payload []byte
}

const (
	headerBytes   = 4 + 4 + 8
	maxBatchBytes = 1 << 29 // payloads stay below 4 GiB
	maxBatchOps   = 1 << 24
)

func encode(ops []op, synced int64) []byte {
	data := make([]byte, headerBytes)
	for _, o := range ops {
		data = append(data, byte(o.kind), byte(o.space))
		data = binary.AppendUvarint(data, uint64(len(o.key)))
		data = append(data, o.key...)
		data = binary.AppendUvarint(data, uint64(len(o.value)))
		data = append(data, o.value...)
	}
	binary.LittleEndian.PutUint32(data[4:], uint32(len(data)-headerBytes))
	binary.LittleEndian.PutUint64(data[8:], uint64(synced))
	binary.LittleEndian.PutUint32(data, checksum(data))
	return data
}

// decode reads the record that data begins with; false if there is no whole one.
func decode(data []byte) (record, bool) {
	if len(data) < headerBytes {
		return record{}, false
	}
	length := int64(binary.LittleEndian.Uint32(data[4:]))
	if length > int64(len(data)-headerBytes) {
		return record{}, false
	}
	data = data[:headerBytes+length]
	if binary.LittleEndian.Uint32(data) != checksum(data) {
		return record{}, false
	}
	return record{int64(binary.LittleEndian.Uint64(data[8:])), data[headerBytes:]}, true
}

func checksum(data []byte) uint32 {
	return crc32.Checksum(data[4:], crc32.MakeTable(crc32.Castagnoli))
}

// syncedBehind returns how much of the log was durable by the records anywhere behind a bad one.
func syncedBehind(data []byte) (synced int64) {
	for at := 1; at < len(data); at++ {
		if r, ok := decode(data[at:]); ok {
			synced = max(synced, r.synced)
		}
	}
	return synced
}

// doc:end

var errPayload = errors.New("logfile: bad payload")

// decodeOps reads what encode wrote; the operations point into data.
func decodeOps(data []byte) (ops []op, err error) {
	text := func() []byte {
		n, width := binary.Uvarint(data)
		if width <= 0 || n > uint64(len(data)-width) {
			err = errPayload
			return nil
		}
		s := data[width : width+int(n) : width+int(n)]
		data = data[width+int(n):]
		return s
	}
	for len(data) > 0 {
		if len(data) < 2 || kind(data[0]) > kindRangeOpen {
			return nil, errPayload
		}
		o := op{kind: kind(data[0]), space: engine.Space(data[1])}
		data = data[2:]
		if o.key = text(); err == nil {
			o.value = text()
		}
		if err != nil {
			return nil, err
		}
		ops = append(ops, o)
	}
	return ops, nil
}
