package engine

import "bytes"

// FrameForTest returns a stream of one block with this payload, every checksum right and the
// count of keys as many as can be cut from it.
func FrameForTest(payload []byte) []byte {
	var w bytes.Buffer
	d := &dumper{w: &w, chain: newChain(), payload: payload}
	w.WriteString(streamMagic)
	for rest := payload; len(rest) > 0; d.chain.keys++ {
		var err error
		if _, rest, err = nextRecord(rest); err != nil {
			break
		}
	}
	d.flush()
	d.block(kindTrailer, d.chain.trailer())
	return w.Bytes()
}
