package config

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/internal/words"
)

// linkReader reads one link of a file. Each key is a word of the link sentence, which the
// sentence's parser reads: a new word of the sentence is a key of the file without more.
type linkReader struct {
	*fileReader
	parser *linkParser
	at     placedLink
	// remotes are the nodes of the remotes, for checks of address families.
	remotes []*node
	link    FileLink
}

func (r *fileReader) readLink(n *node) {
	l := &linkReader{fileReader: r, parser: &linkParser{Sentence: words.NewSentence(nil, words.AnyFamily), known: r.known}}
	before := r.count()
	pairs := r.pairs(n, " in the link")
	l.at = placedLink{name: n.place, id: n.place}
	for _, p := range pairs {
		if p.key.text == "name" {
			l.name(p)
		}
	}
	if l.parser.name == "" && r.count() == before {
		r.addf(n.place, "the link has no name: write name: vxlan0")
	}
	for _, p := range pairs {
		l.key(p)
	}
	l.link.LinkChange = l.parser.out
	l.link.Name, l.link.Place = l.parser.name, l.at.name
	if l.link.Up == nil {
		l.link.Up = new(true)
	}
	for _, p := range pairs { // when the link's family is known
		if p.key.text == "fdb" {
			l.entries(p.value)
		}
	}
	if l.link.ID == nil && r.count() == before {
		r.addf(l.at.name, "link %s has no id: write id: VNI, 0-16777215", l.link.Name)
	}
	if r.count() == before {
		l.whole()
	}
	r.file.Links = append(r.file.Links, l.link)
	r.links = append(r.links, l.at)
}

func (l *linkReader) name(p pair) {
	name, ok := l.scalar("name", "vxlan0", p.value)
	if !ok || l.add(p.value.place, words.ValidName(name)) {
		return
	}
	l.parser.name, l.at.name = name, p.value.place
}

// key reads one key of the link, except for fdb.
func (l *linkReader) key(p pair) {
	key := p.key.text
	switch known := l.parser.known[key]; {
	case key == "name", key == "fdb":
	case key == "remotes":
		l.remoteList(p)
	case key == "remote" && isName(p.value):
		if l.add(p.key.place, l.parser.Once("remote")) {
			return
		}
		l.remote(p.value)
	case key == "up":
		l.up(p)
	case known == nil:
		l.add(p.key.place, l.unknown(key))
	case key == known.Off():
		l.addf(p.key.place, "%q is no key: write %s: false", key, known.Name)
	default:
		l.word(p, known)
	}
}

func (l *linkReader) unknown(key string) error {
	if why := words.Refused()[key]; why != "" {
		return words.Usagef("%q is %s", key, why)
	}
	known := []string{"fdb", "remotes"}
	for form, w := range l.parser.known {
		if form != w.Off() {
			known = append(known, form)
		}
	}
	slices.Sort(known)
	return words.Usagef("unknown key %q: a link has %s", key, strings.Join(known, ", "))
}

func (l *linkReader) up(p pair) {
	if on, ok := boolean(p.value); ok {
		l.parser.out.Up = &on
		return
	}
	l.addf(p.value.place, "up %q: write true or false", p.value.text)
}

// word has the sentence's parser read a key and its value, and checks the part of the link
// that was read so far.
func (l *linkReader) word(p pair, w *words.Word) {
	said, err := l.sentence(p, w)
	if l.add(p.value.place, err) || len(said) == 0 {
		return
	}
	before := l.parser.out
	l.parser.Rest = said[1:]
	if err = l.parser.word(said[0]); err == nil && len(l.parser.Rest) > 0 {
		err = l.tooMuch(p, w)
	}
	if err == nil {
		err = control.ValidateLink(&l.parser.out.LinkSpec)
	}
	at := p.value.place
	if p.value.kind == nullNode {
		at = p.key.place
	}
	if l.add(at, err) {
		l.parser.out = before
		return
	}
	switch p.key.text {
	case "id", "vni":
		l.at.id = p.value.place
	case "remote":
		l.link.Remotes = []Host{{Addr: *l.parser.out.Remote}}
		l.remotes = []*node{p.value}
	}
}

// sentence is a key and its value as words of the link sentence; none for a flag that is off.
func (l *linkReader) sentence(p pair, w *words.Word) ([]string, error) {
	key, v := p.key.text, p.value
	switch v.kind {
	case mappingNode:
		return nil, words.Usagef("%s has no keys of its own: write %s: VALUE", key, key)
	case nullNode:
		if w.Flag() {
			return nil, words.Usagef("%s has no value: write %s: true or leave the key out", key, key)
		}
		return []string{key}, nil // the parser says what it needs
	case listNode:
		said := make([]string, 0, len(v.items))
		for _, item := range v.items {
			if item.kind != scalarNode || item.text == "" {
				return nil, words.Usagef("%s has a list with something else than values: write [VALUE, VALUE]", key)
			}
			said = append(said, item.text)
		}
		if w.List {
			said = []string{strings.Join(said, ",")}
		}
		return append([]string{key}, said...), nil
	case scalarNode:
	}
	if on, ok := boolean(v); ok {
		switch {
		case on:
			return []string{key}, nil
		case w.Flag():
			return []string{w.Off()}, nil
		}
		return []string{key}, nil // the parser says what it needs
	}
	if w.Hex && len(v.text) > 1 && strings.Trim(v.text, "0123456789") == "" {
		return nil, words.Usagef("tos %s is ambiguous, since ip reads it as hexadecimal: write 0x%s, or what you mean with 0x before it", v.text, v.text)
	}
	if v.text == "" {
		return []string{key, ""}, nil
	}
	return append([]string{key}, strings.Fields(v.text)...), nil
}

func (l *linkReader) tooMuch(p pair, w *words.Word) error {
	if w.Flag() {
		return words.Usagef("%s %q is no truth value: write true or false", p.key.text, p.value.text)
	}
	return words.Usagef("%s: %q is too much: leave it out", p.key.text, strings.Join(l.parser.Rest, " "))
}

// boolean reads true and false without quotes.
func boolean(n *node) (value, ok bool) {
	ok = n.kind == scalarNode && n.plain && (n.text == "true" || n.text == "false")
	return ok && n.text == "true", ok
}

// remoteList reads `remotes`: addresses and names.
func (l *linkReader) remoteList(p pair) {
	if l.add(p.key.place, l.parser.Once("remote")) {
		return
	}
	for _, item := range l.list("remotes", "[IP, NAME, ...]", p.value) {
		l.remote(item)
	}
}

// remote reads one remote. The first address of a link is a part of its sentence, so that it
// is checked with the rest.
func (l *linkReader) remote(n *node) {
	if n.kind != scalarNode || n.text == "" {
		l.addf(n.place, "a remote is an IP address or a name: write 192.0.2.1 or peer1.example.net")
		return
	}
	host := Host{Name: strings.ToLower(strings.TrimSuffix(n.text, "."))}
	if !isName(n) {
		a, err := netip.ParseAddr(n.text)
		if err != nil {
			l.addf(n.place, "remote %q is neither an IP address nor a name: write one such as 192.0.2.1 or peer1.example.net", n.text)
			return
		}
		spec := l.parser.out.LinkSpec
		if spec.Remote != nil && spec.Remote.Is4() != a.Is4() {
			l.addf(n.place, "remote %v and remote %v: write only IPv4 or only IPv6 addresses", spec.Remote, a)
			return
		}
		spec.Remote = &a
		if l.add(n.place, control.ValidateLink(&spec)) {
			return
		}
		host = Host{Addr: a}
		if l.parser.out.Remote == nil {
			l.parser.out.Remote = &a
		}
	}
	if slices.Contains(l.link.Remotes, host) {
		l.addf(n.place, "remote %s is given twice: write it once", n.text)
		return
	}
	l.link.Remotes = append(l.link.Remotes, host)
	l.remotes = append(l.remotes, n)
}

// isName reports whether n is a host name, and no address.
func isName(n *node) bool {
	_, isBool := boolean(n)
	return !isBool && n.kind == scalarNode && words.IsHostName(n.text)
}
