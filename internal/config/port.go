package config

import (
	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/internal/words"
)

// portWords are the words of the link sentence that ports have as well.
func portWords(all map[string]*words.Word) map[string]*words.Word {
	known := make(map[string]*words.Word)
	for _, w := range []string{"mtu", "address", "queues", "txqueues", "persist", "nopersist", "user", "group-owner", "up", "down"} {
		known[w] = all[w]
	}
	return known
}

// ParsePortAdd reads what follows `port add`: NAME trunk and its words.
func ParsePortAdd(args []string) (api.PortChange, error) {
	name, kind, change, err := parsePort(args)
	if err == nil && kind == "" {
		err = words.Usagef("port %s needs a type: write port add %s %s", name, name, api.TypeTrunk)
	}
	change.Name, change.Type = name, kind
	return change, err
}

// ParsePortSet reads what follows `port set`: NAME and what is to change.
func ParsePortSet(args []string) (name string, change api.PortChange, err error) {
	name, kind, change, err := parsePort(args)
	if err == nil && kind == "" && change == (api.PortChange{}) {
		err = words.Usagef("nothing to change of %s: write what, such as up or mtu 1450", name)
	}
	return name, change, err
}

// ParsePortName reads what follows `port show` and `port del`: [dev] [NAME].
func ParsePortName(args []string) (string, error) {
	s := words.NewSentence(args, words.AnyFamily)
	word, ok := s.Next()
	if !ok {
		return "", nil
	}
	if word == "dev" {
		v, err := s.Value("dev", "NAME")
		if err != nil {
			return "", err
		}
		word = v
	}
	if err := words.ValidName(word); err != nil {
		return "", words.AsUsage(err)
	}
	if more, ok := s.Next(); ok {
		return "", words.Usagef("unknown word %q after the port's name", more)
	}
	return word, nil
}

func parsePort(args []string) (name, kind string, change api.PortChange, err error) {
	p := &linkParser{Sentence: words.NewSentence(args, words.AnyFamily), known: portWords(words.Known(false))}
	for {
		word, ok := p.Next()
		if !ok {
			break
		}
		if word == "dev" && p.name == "" {
			if word, err = p.Value("dev", "NAME"); err != nil {
				return "", "", change, err
			}
		}
		switch full := words.Expand(word, p.known); {
		case p.name == "":
			p.name = word
			err = words.AsUsage(words.ValidName(word))
		case word == api.TypeTrunk && kind == "":
			kind = word
		case word == "type":
			kind, err = p.OneOf("type", api.TypeTrunk)
		case p.known[full] != nil:
			err = p.word(full)
		default:
			err = words.Usagef("unknown word %q in the port sentence: see uvtep port add --help", word)
		}
		if err != nil {
			return "", "", change, err
		}
	}
	if p.name == "" {
		return "", "", change, words.Usagef("the port needs a name: write it first, such as trunk0")
	}
	change = portChange(&p.out)
	if err := control.ValidatePort(&change.PortSpec); err != nil {
		return "", "", change, words.AsUsage(err)
	}
	return p.name, kind, change, nil
}

// portChange converts the words of a port.
func portChange(l *api.LinkChange) api.PortChange {
	return api.PortChange{
		PortSpec: api.PortSpec{
			MTU: l.MTU, Address: l.Address, Queues: l.Queues, Persist: l.Persist, User: l.User, GroupOwner: l.GroupOwner,
		},
		Up: l.Up,
	}
}

// FilePort is a port of a configuration file.
type FilePort struct {
	api.PortChange // Up is never nil
	Place          Place
}

// readPorts reads `ports`: each key of one is a word of the port sentence.
func (r *fileReader) readPorts(n *node) { r.mappings("ports", "port", "trunk0", n, r.readPort) }

func (r *fileReader) readPort(n *node) {
	l := &linkReader{fileReader: r, parser: &linkParser{Sentence: words.NewSentence(nil, words.AnyFamily), known: portWords(r.known)}}
	l.at = placedLink{name: n.place}
	before := r.count()
	for _, p := range r.pairs(n, " in the port") {
		switch key, w := p.key.text, l.parser.known[p.key.text]; {
		case key == "name":
			l.name(p)
		case key == "type":
			if kind, ok := r.scalar("type", api.TypeTrunk, p.value); ok && kind != api.TypeTrunk {
				r.addf(p.value.place, "type %q is unknown: write %s", kind, api.TypeTrunk)
			}
		case key == "up":
			l.up(p)
		case w != nil && key != w.Off():
			l.word(p, w)
		default:
			r.addf(p.key.place, "unknown key %q: a port has name, type, up, mtu, address, queues, persist, user, group-owner", key)
		}
	}
	if l.parser.name == "" && r.count() == before {
		r.addf(n.place, "the port has no name: write name: trunk0")
	}
	port := FilePort{PortChange: portChange(&l.parser.out), Place: l.at.name}
	port.Name, port.Type = l.parser.name, api.TypeTrunk
	if port.Up == nil {
		port.Up = new(true)
	}
	r.file.Ports = append(r.file.Ports, port)
}
