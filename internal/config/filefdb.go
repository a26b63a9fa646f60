package config

import (
	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/words"
)

// entries reads the list `fdb` of a link.
func (l *linkReader) entries(n *node) {
	type key struct {
		mac    string
		remote api.FDBEntry // of a group: what makes two remotes the same
	}
	first := make(map[key]Place)
	for _, item := range l.list("fdb", `- {mac: "02:00:00:00:00:07", dst: 192.0.2.7}`, n) {
		e, ok := l.entry(item)
		if !ok {
			continue
		}
		k := key{mac: e.MAC}
		if isGroup(e.MAC) {
			k.remote = api.FDBEntry{Dst: e.Dst, Port: e.Port, Via: e.Via}
			if e.VNI != nil {
				k.remote.Used = uint64(*e.VNI) + 1
			}
		}
		if at, again := first[k]; again {
			l.addf(e.Place, "%s has an entry in line %d: write one of them", e.MAC, at.Line)
			continue
		}
		first[k] = e.Place
		l.link.FDB = append(l.link.FDB, e)
	}
}

// isGroup reports whether text is the all-zeros or a multicast MAC address, which has a list of
// remotes.
func isGroup(text string) bool {
	mac, err := encap.ParseMAC(text)
	return err == nil && (mac.IsZero() || mac.IsMulticast())
}

// entry reads one entry. Its words go through the FDB sentence's parser.
func (l *linkReader) entry(n *node) (FileEntry, bool) {
	e := FileEntry{Place: n.place}
	if n.kind != mappingNode {
		l.addf(n.place, `an fdb entry has keys: write {mac: "02:00:00:00:00:07", dst: 192.0.2.7}`)
		return e, false
	}
	before := l.count()
	p := &fdbParser{Sentence: words.NewSentence(nil, words.AnyFamily), verb: "add"}
	for _, pair := range l.pairs(n, " in the entry") {
		at := pair.value.place
		if pair.value.kind == nullNode {
			at = pair.key.place
		}
		was := p.entry
		known, err := entryKey(p, &pair)
		if !known {
			at = pair.key.place
		}
		if err == nil {
			err = l.checkEntry(p.entry)
		}
		if l.add(at, err) {
			p.entry = was
			continue
		}
		if pair.key.text == "mac" {
			e.Place = pair.value.place
		}
	}
	if p.entry.MAC == "" && l.count() == before {
		l.addf(n.place, `the entry has no mac: write mac: "02:00:00:00:00:07"`)
	}
	e.FDBEntry = p.entry
	e.Dev = l.link.Name
	return e, l.count() == before
}

// entryKey reads one key of an entry; known is false for an unknown key.
func entryKey(p *fdbParser, kv *pair) (known bool, err error) {
	key, v := kv.key.text, kv.value
	if v.kind != scalarNode {
		return true, words.Usagef("%s needs one value: write %s: VALUE", key, key)
	}
	on, isBool := boolean(v)
	p.Rest = []string{v.text}
	switch key {
	case "mac":
		mac, err := encap.ParseMAC(v.text)
		if err != nil {
			return true, words.Usagef("mac %q is no MAC address: write six bytes such as \"02:00:00:00:00:07\"", v.text)
		}
		p.entry.MAC = mac.String()
	case "state":
		p.entry.State, err = p.OneOf(key, api.Permanent, api.Static, api.Dynamic)
	case "extern_learn", "router", "noflood", "sticky":
		if !isBool {
			return true, words.Usagef("%s %q: write true or false", key, v.text)
		}
		if on {
			return true, p.entryWord(key)
		}
	case "dst", "port", "vni", "via":
		return true, p.entryWord(key)
	default:
		return false, words.Usagef("unknown key %q: an entry has mac, dst, port, vni, via, state, extern_learn, router, noflood, sticky", key)
	}
	return true, err
}

// checkEntry checks the part of an entry that was read so far.
func (l *linkReader) checkEntry(e api.FDBEntry) error {
	e.Dev = "x" // the link's name has been judged
	if e.MAC == "" {
		e.MAC = encap.MAC{}.String()
	}
	if err := control.ValidateEntry(&e); err != nil {
		return err
	}
	if e.Dst.IsValid() && e.Dst.Is6() != l.link.socket().v6 {
		return words.Usagef("dst %v has another address family than the link's remotes or local: write an address of theirs (IPv4 where the link has neither)", e.Dst)
	}
	return nil
}
