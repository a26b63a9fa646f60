package config

import (
	"slices"
	"strings"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/words"
)

// nud is a state of an entry as bridge(8) and the kernel's driver have it: bits
// of which several may stand together (include/uapi/linux/neighbour.h).
type nud uint16

const (
	nudReachable nud = 0x02
	nudStale     nud = 0x04
	nudNoARP     nud = 0x40
	nudPermanent nud = 0x80
)

// kernelStates are the bits that the kernel's driver keeps of dynamic, static and permanent
// entries that a user gives.
func kernelStates() []struct {
	word string
	bits nud
} {
	return []struct {
		word string
		bits nud
	}{
		{api.Permanent, nudNoARP | nudPermanent},
		{api.Static, nudNoARP | nudReachable},
		{api.Dynamic, nudReachable},
	}
}

// statesWhere are the states whose bits match; nil stands for all states. false: none matches.
func statesWhere(match func(nud) bool) (states []string, ok bool) {
	all := kernelStates()
	for _, s := range all {
		if match(s.bits) {
			states = append(states, s.word)
		}
	}
	if len(states) == len(all) {
		return nil, true
	}
	return states, len(states) > 0
}

// entryState is the state that several state words of an entry make together, as in
// fdb_modify of bridge/fdb.c: `static permanent` is permanent, and dynamic overrides static.
func entryState(words []string) string {
	switch {
	case len(words) == 0:
		return ""
	case slices.Contains(words, api.Permanent):
		return api.Permanent
	case slices.Contains(words, api.Dynamic):
		return api.Dynamic
	}
	return api.Static
}

// stateWord is the state that a word of an entry names (fdb_modify in
// bridge/fdb.c).
func stateWord(word string) (string, bool) {
	switch word {
	case "permanent", "local":
		return api.Permanent, true
	case "static", "temp":
		return api.Static, true
	case "dynamic":
		return api.Dynamic, true
	}
	return "", false
}

// flushStates are the bits that a flush tests.
type flushStates struct{ want, mask nud }

// word reads a state word of `fdb flush`, which tests the bits of fdb_flush in bridge/fdb.c: a
// permanent entry is neither static nor dynamic, but `nostatic` keeps it.
func (f *flushStates) word(word string) bool {
	plain, off := strings.CutPrefix(word, "no")
	state, ok := stateWord(plain)
	if !ok {
		return false
	}
	set := func(bits, mask nud) { f.want, f.mask = f.want|bits, f.mask|mask }
	clear := func(bits, mask nud) { f.want, f.mask = f.want&^bits, f.mask|mask }
	switch {
	case state == api.Permanent && off:
		clear(nudPermanent, nudPermanent)
	case state == api.Permanent:
		set(nudPermanent, nudPermanent)
	case state == api.Static && off:
		clear(nudNoARP, nudNoARP)
	case state == api.Static:
		set(nudNoARP, nudNoARP|nudPermanent)
	case off: // nodynamic
		set(nudNoARP, nudNoARP)
	default:
		clear(nudNoARP, nudNoARP|nudPermanent)
	}
	return true
}

func (f *flushStates) matches(s nud) bool { return f.mask == 0 || s&f.mask == f.want }

// stateBits are the bits of a word after `state` (state_a2n in bridge/fdb.c), which selects
// entries with any of them: `state static` selects permanent ones as well.
func stateBits(word string) (nud, bool) {
	for _, s := range []struct {
		word string
		bits nud
	}{
		{"permanent", nudPermanent}, {"static", nudNoARP}, {"temp", nudNoARP}, {"stale", nudStale},
		{"reachable", nudReachable}, {"dynamic", nudReachable},
	} {
		if word != "" && strings.HasPrefix(s.word, word) {
			return s.bits, true
		}
	}
	if word == "all" {
		return ^nud(0), true
	}
	n, err := words.ParseNumber(word)
	return nud(n), err == nil && n <= 0xffff
}
