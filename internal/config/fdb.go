package config

import (
	"slices"
	"strings"

	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/encap"
)

// fdbParser reads one FDB sentence: `bridge fdb add` and its like, or the
// filters of show, get and flush.
type fdbParser struct {
	*sentence
	verb   string
	entry  control.FDBEntry
	filter control.FDBFilter
	states []string // said so far
	not    []string // states said with "no"
}

// ParseFDBEntry reads what follows `fdb add|append|replace|del`: LLADDR dev
// NAME [dst IP] [port PORT] [vni VNI] [via DEV] [permanent|static|dynamic]
// [extern_learn] [router] [self], in any order.
func ParseFDBEntry(verb string, args []string, family Family) (control.FDBEntry, error) {
	p := &fdbParser{sentence: newSentence(args, family), verb: verb}
	if err := p.parse(p.entryWord); err != nil {
		return control.FDBEntry{}, err
	}
	if p.entry.Dev == "" || p.entry.MAC == "" {
		return control.FDBEntry{}, usagef("fdb %s needs a MAC address and a link: write fdb %s LLADDR dev NAME ...", verb, verb)
	}
	if len(p.states) > 1 {
		return control.FDBEntry{}, usagef("%s and %s together: write one of permanent, static, dynamic", p.states[0], p.states[1])
	}
	if len(p.states) == 1 {
		p.entry.State = p.states[0]
	}
	if err := p.entry.Validate(); err != nil {
		return control.FDBEntry{}, usagef("%v", err)
	}
	return p.entry, nil
}

// ParseFDBGet reads what follows `fdb get`: [to] LLADDR dev NAME [vni VNI].
func ParseFDBGet(args []string, family Family) (control.FDBFilter, error) {
	p := &fdbParser{sentence: newSentence(args, family), verb: "get"}
	if err := p.parse(p.getWord); err != nil {
		return control.FDBFilter{}, err
	}
	if p.filter.Dev == "" || p.filter.MAC == "" {
		return control.FDBFilter{}, usagef("fdb get needs a MAC address and a link: write fdb get LLADDR dev NAME")
	}
	return p.filter, p.checkFilter()
}

// ParseFDBShow reads what follows `fdb show`: [dev NAME] [filters].
func ParseFDBShow(args []string, family Family) (control.FDBFilter, error) {
	p := &fdbParser{sentence: newSentence(args, family), verb: "show"}
	if err := p.parse(p.filterWord); err != nil {
		return control.FDBFilter{}, err
	}
	return p.filter, p.checkFilter()
}

// ParseFDBFlush reads what follows `fdb flush`: dev NAME [filters].
func ParseFDBFlush(args []string, family Family) (control.FDBFilter, error) {
	p := &fdbParser{sentence: newSentence(args, family), verb: "flush"}
	if err := p.parse(p.filterWord); err != nil {
		return control.FDBFilter{}, err
	}
	if p.filter.Dev == "" {
		return control.FDBFilter{}, usagef("fdb flush needs a link: write fdb flush dev NAME")
	}
	return p.filter, p.checkFilter()
}

func (p *fdbParser) parse(word func(string) error) error {
	for {
		w, ok := p.next()
		if !ok {
			return nil
		}
		if err := p.refuse(w); err != nil {
			return err
		}
		if err := word(w); err != nil {
			return err
		}
	}
}

// refuse says why words of iproute2 are none of uvtep's.
func (p *fdbParser) refuse(word string) error {
	switch word {
	case "master", "br", "brport":
		return usagef("%q is for bridge ports: a VXLAN link's entries are its own, write dev NAME (for those of a bridge: bridge fdb)", word)
	case "vlan", "nhid", "use", "sticky", "nosticky", "offloaded", "nooffloaded", "added_by_user", "noadded_by_user":
		return usagef("%q is not supported: leave it out", word)
	case "src_vni":
		if p.verb != "show" && p.verb != "flush" {
			return usagef("src_vni is for links of many VNIs: leave it out, or write vni VNI for the remote's")
		}
	}
	return nil
}

func (p *fdbParser) entryWord(word string) error {
	switch word {
	case "self":
		return nil
	case "extern_learn":
		p.entry.ExternLearn = true
		return p.once(word)
	case "router":
		p.entry.Router = true
		return p.once(word)
	}
	if state, ok := stateWord(word); ok {
		p.addState(state)
		return nil
	}
	if done, err := p.remoteWord(word, &p.filter); done || err != nil {
		p.entry.Dev, p.entry.Dst, p.entry.Port = p.filter.Dev, p.filter.Dst, p.filter.Port
		p.entry.VNI, p.entry.Via = p.filter.VNI, p.filter.Via
		return err
	}
	err := p.lladdr(word)
	p.entry.MAC = p.filter.MAC
	return err
}

func (p *fdbParser) getWord(word string) error {
	switch word {
	case "self", "dynamic": // every entry of a link is its own; dynamic is only for bridges
		return nil
	case "dst", "port", "via", "src_vni":
		return usagef("fdb get has no word %q: use fdb show dev NAME %s ...", word, word)
	}
	if done, err := p.remoteWord(word, &p.filter); done || err != nil {
		return err
	}
	return p.lladdr(word)
}

// lladdr takes the MAC address, alone or after `to`.
func (p *fdbParser) lladdr(word string) (err error) {
	if word == "to" {
		if word, err = p.value("to", "LLADDR"); err != nil {
			return err
		}
	}
	mac, err := encap.ParseMAC(word)
	if err != nil {
		return usagef("%q is neither a word of fdb %s nor a MAC address: see uvtep fdb %s --help", word, p.verb, p.verb)
	}
	if p.filter.MAC != "" {
		return usagef("two MAC addresses, %s and %s: write one", p.filter.MAC, word)
	}
	p.filter.MAC = mac.String()
	return nil
}

// remoteWord takes the words that name a link and a remote.
func (p *fdbParser) remoteWord(word string, f *control.FDBFilter) (done bool, err error) {
	var n uint64
	switch word {
	case "dev":
		f.Dev, err = p.device(word)
	case "via":
		f.Via, err = p.device(word)
	case "dst":
		if f.Dst, err = p.address(word); err == nil && f.Dst.IsUnspecified() {
			err = usagef("dst %s cannot be: write the IP address of a VTEP", f.Dst)
		}
	case "port":
		n, err = p.number(word, 1, 65535)
		f.Port = uint16(n)
	case "vni":
		n, err = p.number(word, 0, uint64(encap.MaxVNI))
		f.VNI = new(uint32(n))
	case "src_vni":
		n, err = p.number(word, 0, uint64(encap.MaxVNI))
		f.SrcVNI = new(uint32(n))
	default:
		return false, nil
	}
	if err == nil {
		err = p.once(word)
	}
	return true, err
}

func (p *fdbParser) device(word string) (string, error) {
	v, err := p.value(word, "NAME")
	if err != nil {
		return "", err
	}
	if err := control.ValidName(v); err != nil {
		return "", usagef("%s: %v", word, err)
	}
	return v, nil
}

// stateWord is the state that a word names (fdb_modify in bridge/fdb.c).
func stateWord(word string) (string, bool) {
	switch word {
	case "permanent", "local":
		return control.Permanent, true
	case "static", "temp":
		return control.Static, true
	case "dynamic":
		return control.Dynamic, true
	}
	return "", false
}

func (p *fdbParser) addState(state string) {
	if !slices.Contains(p.states, state) {
		p.states = append(p.states, state)
	}
}

func (p *fdbParser) filterWord(word string) error {
	switch word {
	case "self":
		return nil
	case "state":
		return p.stateOption()
	case "extern_learn", "noextern_learn":
		p.filter.ExternLearn = new(word == "extern_learn")
		return p.once("[no]extern_learn")
	case "router", "norouter":
		p.filter.Router = new(word == "router")
		return p.once("[no]router")
	case "dynamic":
		// `bridge fdb show dynamic` leaves out what is permanent and nothing
		// else (filter_dynamic in bridge/fdb.c); a flush means dynamic alone.
		if p.verb == "show" {
			p.not = append(p.not, control.Permanent)
			return nil
		}
	}
	if state, ok := stateWord(word); ok {
		p.addState(state)
		return nil
	}
	if plain, off := strings.CutPrefix(word, "no"); off {
		if state, ok := stateWord(plain); ok {
			p.not = append(p.not, state)
			return nil
		}
	}
	if done, err := p.remoteWord(word, &p.filter); done || err != nil {
		return err
	}
	return usagef("unknown word %q in fdb %s: see uvtep fdb %s --help", word, p.verb, p.verb)
}

// stateOption reads what follows `state` (state_a2n in bridge/fdb.c).
func (p *fdbParser) stateOption() error {
	v, err := p.oneOf("state", "permanent", "static", "temp", "dynamic", "reachable", "all")
	switch v {
	case "":
	case "all":
		p.states = []string{control.Permanent, control.Static, control.Dynamic}
	case "reachable":
		p.addState(control.Dynamic)
	default:
		state, _ := stateWord(v)
		p.addState(state)
	}
	return err
}

// checkFilter works out the states that are left: those said, or all, without
// those said with "no".
func (p *fdbParser) checkFilter() error {
	if len(p.not) > 0 {
		states := p.states
		if len(states) == 0 {
			states = []string{control.Permanent, control.Static, control.Dynamic}
		}
		p.filter.States = slices.DeleteFunc(slices.Clone(states), func(s string) bool { return slices.Contains(p.not, s) })
		if len(p.filter.States) == 0 {
			return usagef("these state words together leave no entry: write fewer")
		}
	} else {
		p.filter.States = p.states
	}
	if err := p.filter.Validate(); err != nil {
		return usagef("%v", err)
	}
	return nil
}
