package config

import (
	"slices"
	"strings"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/words"
)

// fdbParser reads one FDB sentence: `bridge fdb add` and its like, or the
// filters of show, get and flush.
type fdbParser struct {
	*words.Sentence
	verb   string
	entry  api.FDBEntry
	filter api.FDBFilter
	states []string // said of an entry or, of uvtep's own, to show
	bits   nud      // what `show state` selects
	not    nud      // what `show dynamic` leaves out
	self   bool
	flush  flushStates // what a flush asks for
	none   bool        // a flush asks for what no entry has
}

// ParseFDBEntry reads what follows `fdb add|append|replace|del`: LLADDR dev
// NAME [dst IP] [port PORT] [vni VNI] [via DEV] [permanent|static|dynamic]
// [extern_learn] [router] [self [master]], in any order.
func ParseFDBEntry(verb string, args []string, family words.Family) (api.FDBEntry, error) {
	p := &fdbParser{Sentence: words.NewSentence(args, family), verb: verb}
	if err := p.parse(p.entryWord); err != nil {
		return api.FDBEntry{}, err
	}
	if p.entry.Dev == "" || p.entry.MAC == "" {
		return api.FDBEntry{}, words.Usagef("fdb %s needs a MAC address and a link: write fdb %s LLADDR dev NAME ...", verb, verb)
	}
	if p.entry.Master && !p.self {
		return api.FDBEntry{}, words.Usagef("master alone is for the bridge's entries: use bridge fdb, or write self master for both")
	}
	p.entry.State = entryState(p.states)
	if err := control.ValidateEntry(&p.entry); err != nil {
		return api.FDBEntry{}, words.Usagef("%v", err)
	}
	return p.entry, nil
}

// ParseFDBGet reads what follows `fdb get`: [to] LLADDR dev NAME [vni VNI].
func ParseFDBGet(args []string, family words.Family) (api.FDBFilter, error) {
	p := &fdbParser{Sentence: words.NewSentence(args, family), verb: "get"}
	if err := p.parse(p.getWord); err != nil {
		return api.FDBFilter{}, err
	}
	if p.filter.Dev == "" || p.filter.MAC == "" {
		return api.FDBFilter{}, words.Usagef("fdb get needs a MAC address and a link: write fdb get LLADDR dev NAME")
	}
	return p.filter, p.checkFilter()
}

// ParseFDBShow reads what follows `fdb show`: [dev NAME] [filters].
func ParseFDBShow(args []string, family words.Family) (api.FDBFilter, error) {
	p := &fdbParser{Sentence: words.NewSentence(args, family), verb: "show"}
	if err := p.parse(p.filterWord); err != nil {
		return api.FDBFilter{}, err
	}
	return p.filter, p.checkFilter()
}

// ParseFDBFlush reads what follows `fdb flush`: dev NAME [filters].
func ParseFDBFlush(args []string, family words.Family) (api.FDBFilter, error) {
	p := &fdbParser{Sentence: words.NewSentence(args, family), verb: "flush"}
	if err := p.parse(p.filterWord); err != nil {
		return api.FDBFilter{}, err
	}
	if p.filter.Dev == "" {
		return api.FDBFilter{}, words.Usagef("fdb flush needs a link: write fdb flush dev NAME")
	}
	return p.filter, p.checkFilter()
}

func (p *fdbParser) parse(word func(string) error) error {
	for {
		w, ok := p.Next()
		if !ok {
			return nil
		}
		if p.verb != "show" && p.verb != "get" && p.verb != "flush" {
			w = expandEntry(w)
		}
		if err := p.refuse(w); err != nil {
			return err
		}
		if err := word(w); err != nil {
			return err
		}
	}
}

// refuse says why uvtep does not accept some words of iproute2.
func (p *fdbParser) refuse(word string) error {
	switch word {
	case "br", "brport", "vlan":
		if p.verb == "flush" || p.verb != "show" && p.verb != "get" && word != "vlan" {
			return words.Usagef("%q is for bridge ports: a VXLAN link's entries are its own, write dev NAME (for those of a bridge: bridge fdb)", word)
		}
	case "master":
		if p.verb == "add" || p.verb == "append" || p.verb == "replace" || p.verb == "del" {
			return nil
		}
		return words.Usagef("%q is for bridge ports: a VXLAN link's entries are its own, write dev NAME (for those of a bridge: bridge fdb)", word)
	case "nhid":
		if p.verb == "flush" {
			return nil
		}
		return words.Usagef("%q names nexthops of the kernel, which reach no link outside of it: write the entry's VTEP as dst IP", word)
	case "sticky":
		if slices.Contains([]string{"add", "append", "replace", "del"}, p.verb) {
			return nil
		}
		return words.Usagef("%q selects nothing: fdb show prints it of those that are", word)
	case "added_by_user", "noadded_by_user":
		return words.Usagef("%q is for entries of bridges: leave it out", word)
	}
	return nil
}

// expandEntry completes a word of an entry to the first word, in iproute2's order, that may be
// abbreviated so (fdb_modify in bridge/fdb.c).
func expandEntry(word string) string {
	for _, w := range []string{
		"master", "router", "local", "permanent", "temp", "static", "dynamic", "vlan", "use", "extern_learn", "sticky",
	} {
		if word != "" && strings.HasPrefix(w, word) {
			return w
		}
	}
	return word
}

func (p *fdbParser) entryWord(word string) error {
	switch word {
	case "self":
		p.self = true
		return nil
	case "master":
		p.entry.Master = true
		return nil
	case "use": // an entry is marked used when it is made
		return nil
	case "extern_learn":
		p.entry.ExternLearn = true
		return nil
	case "router":
		p.entry.Router = true
		return nil
	case "noflood":
		p.entry.NoFlood = true
		return nil
	case "sticky":
		p.entry.Sticky = true
		return nil
	case "vlan":
		return p.vlan()
	}
	if state, ok := stateWord(word); ok {
		p.states = append(p.states, state)
		return nil
	}
	if done, err := p.remoteWord(word, &p.filter); done || err != nil {
		p.entry.Dev, p.entry.Dst, p.entry.Port = p.filter.Dev, p.filter.Dst, p.filter.Port
		p.entry.VNI, p.entry.SrcVNI, p.entry.Via = p.filter.VNI, p.filter.SrcVNI, p.filter.Via
		return err
	}
	err := p.lladdr(word)
	p.entry.MAC = p.filter.MAC
	return err
}

// vlan reads a VLAN id and ignores it for a VXLAN link's entries, as the kernel's driver does
// (vxlan_fdb_add in drivers/net/vxlan/vxlan_core.c).
func (p *fdbParser) vlan() error {
	_, err := p.Number("vlan", 1, 4094)
	return err
}

func (p *fdbParser) getWord(word string) error {
	switch word {
	case "self", "dynamic": // every entry of a link is its own; dynamic is only for bridges
		return nil
	case "vlan":
		return p.vlan()
	case "brport":
		word = "dev"
	case "br", "dst", "port", "via", "src_vni":
		return words.Usagef("fdb get has no word %q: use fdb show dev NAME %s ...", word, word)
	}
	if done, err := p.remoteWord(word, &p.filter); done || err != nil {
		return err
	}
	return p.lladdr(word)
}

// lladdr reads the MAC address, with or without `to` before it.
func (p *fdbParser) lladdr(word string) (err error) {
	if word == "to" {
		if word, err = p.Value("to", "LLADDR"); err != nil {
			return err
		}
	}
	mac, err := encap.ParseMAC(word)
	if err != nil {
		return words.Usagef("%q is neither a word of fdb %s nor a MAC address: see uvtep fdb %s --help", word, p.verb, p.verb)
	}
	if p.filter.MAC != "" {
		return words.Usagef("there are two MAC addresses, %s and %s: write one", p.filter.MAC, word)
	}
	p.filter.MAC = mac.String()
	return nil
}

// remoteWord reads the words that name a link and a remote.
func (p *fdbParser) remoteWord(word string, f *api.FDBFilter) (done bool, err error) {
	var n uint64
	switch word {
	case "dev":
		f.Dev, err = p.device(word)
	case "via":
		f.Via, err = p.device(word)
	case "dst":
		if f.Dst, err = p.Address(word); err == nil && f.Dst.IsUnspecified() {
			err = words.Usagef("dst %s is no remote: write the IP address of a VTEP", f.Dst)
		}
	case "port":
		n, err = p.Number(word, 0, 65535) // 0: the link's, as in iproute2
		f.Port = uint16(n)
	case "vni":
		n, err = p.Number(word, 0, uint64(encap.MaxVNI))
		f.VNI = new(uint32(n))
	case "src_vni":
		n, err = p.Number(word, 0, uint64(encap.MaxVNI))
		f.SrcVNI = new(uint32(n))
	default:
		return false, nil
	}
	if err == nil {
		err = p.Once(word)
	}
	return true, err
}

func (p *fdbParser) device(word string) (string, error) {
	v, err := p.Value(word, "NAME")
	if err != nil {
		return "", err
	}
	if err := words.ValidName(v); err != nil {
		return "", words.Usagef("%s: %v", word, err)
	}
	return v, nil
}

func (p *fdbParser) filterWord(word string) error {
	switch word {
	case "self":
		return nil
	case "extern_learn", "noextern_learn":
		p.filter.ExternLearn = new(word == "extern_learn")
		return p.Once("[no]extern_learn")
	case "router", "norouter":
		p.filter.Router = new(word == "router")
		return p.Once("[no]router")
	case "owner":
		var err error
		if p.filter.Owner, err = p.Value(word, "NAME"); err != nil {
			return err
		}
		return p.Once(word)
	}
	if p.verb == "flush" {
		if done, err := p.flushWord(word); done || err != nil {
			return err
		}
	} else if done, err := p.showWord(word); done || err != nil {
		return err
	}
	if done, err := p.remoteWord(word, &p.filter); done || err != nil {
		return err
	}
	return words.Usagef("unknown word %q in fdb %s: see uvtep fdb %s --help", word, p.verb, p.verb)
}

func (p *fdbParser) flushWord(word string) (done bool, err error) {
	switch word {
	case "nosticky": // no entry is
		return true, nil
	case "nhid": // no entry has one
		_, err = p.Number(word, 0, 1<<32-1)
		p.none = true
		return true, err
	case "offloaded", "nooffloaded":
		p.filter.Offloaded = new(word == "offloaded")
		return true, p.Once("[no]offloaded")
	}
	return p.flush.word(word), nil
}

func (p *fdbParser) showWord(word string) (done bool, err error) {
	switch word {
	case "state":
		v, err := p.Value("state", "permanent, static, dynamic or all")
		if err != nil {
			return true, err
		}
		bits, ok := stateBits(v)
		if !ok {
			return true, words.Usagef("state %q is unknown: write permanent, static, dynamic or all", v)
		}
		p.bits |= bits
		return true, nil
	case "dynamic": // leaves out what is permanent and nothing else (filter_dynamic in bridge/fdb.c)
		p.not = nudPermanent
		return true, nil
	case "brport":
		p.filter.Dev, err = p.device(word)
		return true, err
	case "br":
		p.filter.Br, err = p.device(word)
		return true, err
	case "vlan":
		n, err := p.Number(word, 0, 4095)
		p.filter.VLAN = uint16(n)
		return true, err
	}
	if state, ok := stateWord(word); ok {
		p.states = append(p.states, state)
		return true, nil
	}
	if state, ok := stateWord(strings.TrimPrefix(word, "no")); ok {
		return true, p.without(state)
	}
	return false, nil
}

// without removes one state from those that are shown.
func (p *fdbParser) without(state string) error {
	if len(p.states) == 0 {
		p.states = []string{api.Permanent, api.Static, api.Dynamic}
	}
	p.states = slices.DeleteFunc(p.states, func(s string) bool { return s == state })
	if len(p.states) == 0 {
		return words.Usagef("these state words together leave no entry: write fewer")
	}
	return nil
}

// checkFilter computes the states that all words together select.
func (p *fdbParser) checkFilter() error {
	states, ok := statesWhere(func(s nud) bool {
		return p.flush.matches(s) && (p.bits == 0 || s&p.bits != 0) && s&p.not == 0
	})
	switch {
	case !ok, p.none:
		p.filter.States = []string{api.Stale}
	case len(p.states) == 0:
		p.filter.States = states
	default:
		p.filter.States = slices.DeleteFunc(p.states, func(s string) bool { return states != nil && !slices.Contains(states, s) })
		if len(p.filter.States) == 0 {
			p.filter.States = []string{api.Stale}
		}
	}
	if err := control.ValidateFilter(&p.filter); err != nil {
		return words.Usagef("%v", err)
	}
	return nil
}
