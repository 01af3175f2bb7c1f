package results

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Inert returns s as one line that does nothing to whoever reads it: control characters, line
// breaks, escape sequences, text direction marks and broken UTF-8 become visible Go escapes.
func Inert(s string) string {
	plain := true
	for _, r := range s {
		plain = plain && unicode.IsPrint(r) && r != utf8.RuneError
	}
	if plain {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i])|0x100, 16)[1:])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		}
		i += n
	}
	return b.String()
}
