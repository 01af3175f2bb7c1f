package results

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// fullDisk fails in one of the three calls that a write consists of, with half of the data out.
type fullDisk struct {
	tempFile
	failIn string
}

func (f fullDisk) Write(p []byte) (int, error) {
	if f.failIn != "write" {
		return f.tempFile.Write(p)
	}
	n, _ := f.tempFile.Write(p[:len(p)/2])
	return n, syscall.ENOSPC
}

func (f fullDisk) Sync() error {
	if f.failIn == "sync" {
		return syscall.EIO
	}
	return f.tempFile.Sync()
}

func (f fullDisk) Close() error {
	err := f.tempFile.Close()
	if f.failIn == "close" {
		return syscall.EDQUOT
	}
	return err
}

func TestAFullDiskLeavesEarlierResultsAndNothingElse(t *testing.T) {
	for _, failIn := range []string{"create", "write", "sync", "close"} {
		t.Run("failure in "+failIn, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "runs")
			s, err := Create(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.writeFile("earlier", []byte("result")); err != nil {
				t.Fatal(err)
			}
			whole := s.openTemp
			s.openTemp = func(name string) (tempFile, error) {
				if failIn == "create" {
					return nil, syscall.ENOSPC
				}
				f, err := whole(name)
				return fullDisk{f, failIn}, err
			}
			err = s.writeFile("later", []byte("result"))
			var cause syscall.Errno
			if !errors.As(err, &cause) {
				t.Fatalf("error %v, want that of the disk", err)
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, e := range entries {
				names = append(names, e.Name())
			}
			if !slices.Equal(names, []string{"earlier", markerName}) {
				t.Fatalf("left behind: %v", names)
			}
		})
	}
}

func TestInertTextHasNoEffectOnATerminal(t *testing.T) {
	for in, want := range map[string]string{
		"plain – text": "plain – text",
		"a\x1b[2Jb\n":  `a\x1b[2Jb\n`,
		"\u202eabc":    `\u202eabc`,
		"\xffx":        `\xffx`,
		"�":            "�",
	} {
		if got := Inert(in); got != want {
			t.Errorf("Inert(%q) = %q, want %q", in, got, want)
		}
	}
}
