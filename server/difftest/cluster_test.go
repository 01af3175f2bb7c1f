package difftest

import "testing"

// An id of 15 digits stands behind one space where etcdctl pads none, and behind two where it does.
func TestPlainKnowsPaddedIDs(t *testing.T) {
	for _, id := range []uint64{0x123456789abcdef0, 0x123456789abcdef, 0x123456789abcde} {
		c := &cluster{vars: map[string]string{}}
		c.name(id, "ID-m1")
		hex := c.vars["ID-m1"]
		padded := "                "[len(hex):] + hex
		for text, want := range map[string]string{
			"at, " + hex + ", 3":        "at, ID-m1, 3",
			hex + ": to " + hex:         "ID-m1: to ID-m1",
			"Member " + padded + " now": "Member ID-m1 now",
		} {
			if got := c.plain(text); got != want {
				t.Errorf("%q became %q, want %q", text, got, want)
			}
		}
	}
}
