package targets

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

const sectorBytes = 512 // of the kernel's block statistics, whatever the device's own sectors are

// deviceCounter returns a function that tells how many bytes were written to the block device below
// dir since the machine started, by whomever; -1 where there is no such device (tmpfs, overlays).
// The kernel's count for the process alone (write_bytes of /proc/self/io) is no substitute: it is
// taken where pages become dirty, and charges a whole large folio, up to 16 times what is then
// written, for one page of it.
func deviceCounter(dir string) func() int64 {
	unknown := func() int64 { return -1 }
	var st syscall.Stat_t
	if dir == "" || syscall.Stat(dir, &st) != nil {
		return unknown
	}
	major, minor := st.Dev>>8&0xfff|st.Dev>>32&^0xfff, st.Dev&0xff|st.Dev>>12&^0xff
	path := fmt.Sprintf("/sys/dev/block/%d:%d/stat", major, minor)
	if readDevice(path) < 0 {
		return unknown
	}
	return func() int64 { return readDevice(path) }
}

// readDevice reads the seventh field of a block device's stat file: sectors written.
func readDevice(path string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return -1
	}
	fields := bytes.Fields(text)
	if len(fields) < 7 {
		return -1
	}
	sectors, err := strconv.ParseInt(string(fields[6]), 10, 64)
	if err != nil {
		return -1
	}
	return sectors * sectorBytes
}
