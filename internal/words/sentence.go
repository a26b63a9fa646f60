package words

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// UsageError is a mistake in a sentence.
type UsageError struct{ Message string }

func (e *UsageError) Error() string { return e.Message }

// Usagef makes a UsageError.
func Usagef(format string, a ...any) error { return &UsageError{fmt.Sprintf(format, a...)} }

// AsUsage makes a UsageError of err, which may be nil.
func AsUsage(err error) error {
	if err == nil {
		return nil
	}
	return Usagef("%v", err)
}

// Family limits the addresses of a sentence: iproute2's -4 and -6.
type Family int

// The families.
const (
	AnyFamily Family = 0
	IPv4      Family = 4
	IPv6      Family = 6
)

// Sentence returns the words of a command line one by one.
type Sentence struct {
	Rest   []string // what is not read yet
	family Family
	seen   map[string]bool
}

// NewSentence begins to read args.
func NewSentence(args []string, family Family) *Sentence {
	return &Sentence{Rest: args, family: family, seen: make(map[string]bool)}
}

// Empty reports whether Once was not called yet.
func (s *Sentence) Empty() bool { return len(s.seen) == 0 }

// Next is the next word, or false at the end.
func (s *Sentence) Next() (string, bool) {
	if len(s.Rest) == 0 {
		return "", false
	}
	word := s.Rest[0]
	s.Rest = s.Rest[1:]
	return word, true
}

// Value is the value that follows word; what describes it in the error where it is missing.
func (s *Sentence) Value(word, what string) (string, error) {
	v, ok := s.Next()
	if !ok || v == "" {
		return "", Usagef("%s needs a value: write %s %s", word, word, what)
	}
	return v, nil
}

// Once refuses the second use of a word, or of another name for it.
func (s *Sentence) Once(word string) error {
	if s.seen[word] {
		return Usagef("%q is given twice: write it once", word)
	}
	s.seen[word] = true
	return nil
}

// Number reads a number as iproute2 does: decimal, 0x hexadecimal, 0 octal.
func (s *Sentence) Number(word string, low, high uint64) (uint64, error) {
	what := fmt.Sprintf("%d to %d", low, high)
	v, err := s.Value(word, what)
	if err != nil {
		return 0, err
	}
	switch n, err := ParseNumber(v); {
	case errors.Is(err, strconv.ErrSyntax):
		return 0, Usagef("%s %q is no number: write one from %s", word, v, what)
	case err != nil || n < low || n > high:
		return 0, Usagef("%s %s is out of range: %s", word, v, what)
	default:
		return n, nil
	}
}

// ParseNumber reads a number as iproute2 does: decimal, 0x hexadecimal, 0 octal.
func ParseNumber(v string) (uint64, error) {
	lower := strings.ToLower(v)
	// Go has 0b, 0o and 1_000, and C has not.
	if strings.Contains(v, "_") || strings.HasPrefix(lower, "0b") || strings.HasPrefix(lower, "0o") {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseUint(v, 0, 64)
}

// Address reads an IP address as iproute2 does, but no name.
func (s *Sentence) Address(word string) (netip.Addr, error) {
	v, err := s.Value(word, "IP")
	if err != nil {
		return netip.Addr{}, err
	}
	a, err := netip.ParseAddr(v)
	switch {
	case err != nil && (word == "remote" || word == "dst") && IsHostName(v):
		return a, Usagef("%s %q is no IP address: write one, or the name as a remote of a configuration file, which looks it up again", word, v)
	case err != nil:
		return a, Usagef("%s %q is no IP address: write one such as 192.0.2.1 or 2001:db8::1", word, v)
	case s.family == IPv4 && !a.Is4():
		return a, Usagef("%s %s is no IPv4 address, which -4 asks for: write one, or leave -4 out", word, v)
	case s.family == IPv6 && !a.Is6():
		return a, Usagef("%s %s is no IPv6 address, which -6 asks for: write one, or leave -6 out", word, v)
	}
	return a, nil
}

// OneOf reads one of a few words.
func (s *Sentence) OneOf(word string, allowed ...string) (string, error) {
	what := strings.Join(allowed, " or ")
	v, err := s.Value(word, what)
	if err != nil {
		return "", err
	}
	if slices.Contains(allowed, v) {
		return v, nil
	}
	return "", Usagef("%s %q is unknown: write %s", word, v, what)
}

// Expand completes an abbreviation, as iproute2 does. It returns the word itself if it is
// known, else the only word that begins with it, or of several words the one that the others
// begin with, which iproute2 has first (local before localbypass). It does not complete
// anything shorter than three letters.
func Expand[V any](word string, words map[string]V) string {
	if _, ok := words[word]; ok || len(word) < 3 {
		return word
	}
	found := word
	for w := range words {
		if strings.HasPrefix(w, word) && (found == word || len(w) < len(found)) {
			found = w
		}
	}
	for w := range words {
		if strings.HasPrefix(w, word) && !strings.HasPrefix(w, found) {
			return word
		}
	}
	return found
}

// IsHostName reports whether text is a host name (RFC 1123 section 2.1) and no
// address. A last label of digits only is a mistyped address.
func IsHostName(text string) bool {
	name := strings.TrimSuffix(text, ".")
	if name == "" || len(name) > 253 {
		return false
	}
	letters := false
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
		letters = strings.Trim(label, "0123456789") != ""
	}
	return letters
}
