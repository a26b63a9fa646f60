package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// UsageError is a sentence that cannot be.
type UsageError struct{ Message string }

func (e *UsageError) Error() string { return e.Message }

func usagef(format string, a ...any) error { return &UsageError{fmt.Sprintf(format, a...)} }

// Family limits the addresses of a sentence: iproute2's -4 and -6.
type Family int

// The families.
const (
	AnyFamily Family = 0
	IPv4      Family = 4
	IPv6      Family = 6
)

// sentence hands out the words of a command line one by one.
type sentence struct {
	rest   []string
	family Family
	seen   map[string]bool
}

func newSentence(args []string, family Family) *sentence {
	return &sentence{rest: args, family: family, seen: make(map[string]bool)}
}

// next is the next word, or false at the end.
func (s *sentence) next() (string, bool) {
	if len(s.rest) == 0 {
		return "", false
	}
	word := s.rest[0]
	s.rest = s.rest[1:]
	return word, true
}

// value is the word that follows word; what says what it has to be.
func (s *sentence) value(word, what string) (string, error) {
	v, ok := s.next()
	if !ok || v == "" {
		return "", usagef("%s needs a value: write %s %s", word, word, what)
	}
	return v, nil
}

// once refuses the second use of a word, or of one that says the same.
func (s *sentence) once(word string) error {
	if s.seen[word] {
		return usagef("%q is given twice", word)
	}
	s.seen[word] = true
	return nil
}

// number reads a number as iproute2 does: decimal, 0x hexadecimal, 0 octal.
func (s *sentence) number(word string, low, high uint64) (uint64, error) {
	what := fmt.Sprintf("%d-%d", low, high)
	v, err := s.value(word, what)
	if err != nil {
		return 0, err
	}
	n, err := parseNumber(v)
	if err != nil || n < low || n > high {
		return 0, usagef("%s %q cannot be: write %s", word, v, what)
	}
	return n, nil
}

func parseNumber(v string) (uint64, error) {
	lower := strings.ToLower(v)
	// Go's 0b, 0o and 1_000 are not C's.
	if strings.Contains(v, "_") || strings.HasPrefix(lower, "0b") || strings.HasPrefix(lower, "0o") {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseUint(v, 0, 64)
}

// address reads an IP address, no name, as iproute2 does.
func (s *sentence) address(word string) (netip.Addr, error) {
	v, err := s.value(word, "IP")
	if err != nil {
		return netip.Addr{}, err
	}
	a, err := netip.ParseAddr(v)
	switch {
	case err != nil && (word == "remote" || word == "dst") && isName(&node{kind: scalarNode, text: v}):
		return a, usagef("%s %q is no IP address; names are for the remotes of a configuration file, which looks them up again", word, v)
	case err != nil:
		return a, usagef("%s %q is no IP address: write one such as 192.0.2.1 or 2001:db8::1", word, v)
	case s.family == IPv4 && !a.Is4():
		return a, usagef("%s %s is no IPv4 address, which -4 asks for", word, v)
	case s.family == IPv6 && !a.Is6():
		return a, usagef("%s %s is no IPv6 address, which -6 asks for", word, v)
	}
	return a, nil
}

// oneOf reads one of a few words.
func (s *sentence) oneOf(word string, allowed ...string) (string, error) {
	what := strings.Join(allowed, " or ")
	v, err := s.value(word, what)
	if err != nil {
		return "", err
	}
	if slices.Contains(allowed, v) {
		return v, nil
	}
	return "", usagef("%s %q cannot be: write %s", word, v, what)
}

// expand completes an abbreviation, as iproute2 takes them: a word itself, or
// the only word that begins with it, or of several the one that the others
// begin with, which iproute2 has first (local before localbypass). What is
// shorter than three letters is taken as it stands.
func expand[V any](word string, words map[string]V) string {
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
