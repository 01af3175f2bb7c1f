package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/internal/nearest"
	"github.com/etalon-kv/etalon/server"
)

// snapshotStatus is what a file holds; its fields have etcdutl's names.
type snapshotStatus struct {
	// Hash is HashKV at Revision: that of the member that it was saved from.
	Hash     uint32 `json:"hash"`
	Revision int64  `json:"revision"`
	// TotalKey counts the keys that exist at Revision.
	TotalKey  int64  `json:"totalKey"`
	TotalSize int64  `json:"totalSize"`
	Version   string `json:"version"`
}

// statusForms are the forms in which it can be printed.
var statusForms = []string{"simple", "table", "json", "fields"}

func snapshotStatusCommand(tty terminal) *cobra.Command {
	form := ""
	cmd := &cobra.Command{
		Use:   "status FILE",
		Short: "Check a snapshot and tell what it holds",
		Long: "Check a snapshot, all of it, and tell what it holds: its HashKV, which the member that it was saved from\n" +
			"has at that revision, revision, keys and size. It is loaded into memory.",
		Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			print := map[string]func(snapshotStatus, io.Writer) error{
				"simple": snapshotStatus.simple, "table": snapshotStatus.table, "json": snapshotStatus.json, "fields": snapshotStatus.fields,
			}[form]
			if print == nil {
				return usageError{nearest.Error("form", form, statusForms)}
			}
			s, err := readSnapshot(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return print(s, tty.out)
		},
	}
	cmd.Flags().StringVarP(&form, "write-out", "w", "simple", "form: "+strings.Join(statusForms, ", "))
	return cmd
}

// readSnapshot loads a file into memory, whole.
func readSnapshot(ctx context.Context, path string) (s snapshotStatus, err error) {
	from, err := server.OpenSnapshotFile(path, false)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	m, err := apply.Open(ctx, apply.Config{
		Open: func(string) (engine.Backend, error) { return openEngine("mem", "", nil, nil) }, Index: newPacked,
	})
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	if err := m.Restore(ctx, from.Image()); err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	if err := from.CheckEnd(); err != nil {
		return s, err
	}
	hash, err := m.HashKV(ctx, 0)
	if err != nil {
		return s, err
	}
	var keys apply.RangeResult
	err = m.Range(&apply.Range{Key: []byte{0}, End: []byte{0}, CountOnly: true}, &keys)
	return snapshotStatus{Hash: hash.Hash, Revision: hash.Rev, TotalKey: keys.Count, TotalSize: from.Bytes, Version: server.StorageVersion}, err
}

func (s snapshotStatus) row() []string {
	return []string{strconv.FormatUint(uint64(s.Hash), 16), strconv.FormatInt(s.Revision, 10), strconv.FormatInt(s.TotalKey, 10), decimalBytes(s.TotalSize), s.Version}
}

func (s snapshotStatus) simple(w io.Writer) error {
	_, err := fmt.Fprintln(w, strings.Join(s.row(), ", "))
	return err
}

func (s snapshotStatus) json(w io.Writer) error { return json.NewEncoder(w).Encode(s) }

func (s snapshotStatus) fields(w io.Writer) error {
	_, err := fmt.Fprintf(w, "\"Hash\" : %d\n\"Revision\" : %d\n\"Keys\" : %d\n\"Size\" : %d\n\"Version\" : %q\n", s.Hash, s.Revision, s.TotalKey, s.TotalSize, s.Version)
	return err
}

func (s snapshotStatus) table(w io.Writer) error {
	rows := [][]string{{"HASH", "REVISION", "TOTAL KEYS", "TOTAL SIZE", "STORAGE VERSION"}, s.row()}
	rule := func(left, middle, right string) string {
		parts := make([]string, len(rows[0]))
		for i := range parts {
			parts[i] = strings.Repeat("─", 2+max(utf8.RuneCountInString(rows[0][i]), utf8.RuneCountInString(rows[1][i])))
		}
		return left + strings.Join(parts, middle) + right
	}
	lines := []string{rule("┌", "┬", "┐"), "", rule("├", "┼", "┤"), "", rule("└", "┴", "┘")}
	for n, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&b, "│ %*s ", max(len(rows[0][i]), len(rows[1][i])), cell)
		}
		lines[1+2*n] = b.String() + "│"
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

// decimalBytes is n with a unit, as etcd's tools write sizes.
func decimalBytes(n int64) string {
	v, unit := float64(n), 0
	units := []string{"B", "kB", "MB", "GB", "TB"}
	for v >= 1000 && unit < len(units)-1 {
		v, unit = v/1000, unit+1
	}
	if unit == 0 || v >= 10 {
		return fmt.Sprintf("%.0f %s", v, units[unit])
	}
	return fmt.Sprintf("%.1f %s", v, units[unit])
}
