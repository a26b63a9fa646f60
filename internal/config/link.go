package config

import (
	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/internal/words"
)

// linkParser reads one link sentence.
type linkParser struct {
	*words.Sentence
	change  bool // a `link set`: the name of the link stands apart from a new one
	name    string
	newName string
	typed   bool // past `type vxlan`
	out     api.LinkChange
}

// ParseLinkAdd reads what follows `link add`: NAME [type vxlan] id VNI ..., the
// words in any order.
func ParseLinkAdd(args []string, family words.Family) (api.LinkChange, error) {
	p := &linkParser{Sentence: words.NewSentence(args, family)}
	if err := p.parse(); err != nil {
		return api.LinkChange{}, err
	}
	p.out.Name = p.name
	if p.out.ID == nil {
		return api.LinkChange{}, words.Usagef("link %s needs an id: write id VNI, 0-16777215", p.name)
	}
	return p.out, p.check()
}

// ParseLinkSet reads what follows `link set`: [dev] NAME and what is to change:
// up, down, mtu, address, name NEW, and the words of `link add` with or without
// `type vxlan` before them. The link's name is returned apart.
func ParseLinkSet(args []string, family words.Family) (name string, change api.LinkChange, err error) {
	p := &linkParser{Sentence: words.NewSentence(args, family), change: true}
	if err := p.parse(); err != nil {
		return "", api.LinkChange{}, err
	}
	if p.Empty() {
		return "", api.LinkChange{}, words.Usagef("nothing to change of %s: write what, such as up or mtu 1450", p.name)
	}
	p.out.Name = p.newName
	return p.name, p.out, p.check()
}

// ParseLinkName reads what follows `link del`: [dev] [NAME] [type vxlan]. The
// name may be absent.
func ParseLinkName(args []string) (string, error) {
	s, name := words.NewSentence(args, words.AnyFamily), ""
	for {
		word, ok := s.Next()
		if !ok {
			break
		}
		switch {
		case word == "type":
			if _, err := s.OneOf("type", "vxlan"); err != nil {
				return "", err
			}
			continue
		case word == "dev" && name == "":
			v, err := s.Value("dev", "NAME")
			if err != nil {
				return "", err
			}
			word = v
		}
		if name != "" {
			return "", words.Usagef("unknown word %q after the link's name", word)
		}
		name = word
		if err := control.ValidName(name); err != nil {
			return "", words.Usagef("%v", err)
		}
	}
	return name, nil
}

func (p *linkParser) parse() error {
	known := linkWords()
	addCommandWords(known)
	for {
		word, ok := p.Next()
		if !ok {
			break
		}
		if p.name == "" {
			if done, err := p.nameWord(word, known); done || err != nil {
				if err != nil {
					return err
				}
				continue
			}
		} else {
			word = expandLink(word, known)
		}
		if err := p.word(word, known); err != nil {
			return err
		}
	}
	if p.name == "" {
		return words.Usagef("the link needs a name: write it first, such as vxlan0")
	}
	return nil
}

// nameWord takes word as the link's name, or as what announces it, where there
// is none yet and word is not part of the sentence. After `type vxlan`, dev is
// the underlay's device, as in iproute2.
func (p *linkParser) nameWord(word string, known map[string]linkWord) (bool, error) {
	switch {
	case word == "dev" && !p.typed, word == "name":
		v, err := p.Value(word, "NAME")
		if err != nil {
			return false, err
		}
		word = v
	case word == "type" || known[word] != nil || laterWords()[word] != "":
		return false, nil
	}
	if err := control.ValidName(word); err != nil {
		return false, words.Usagef("%v", err)
	}
	p.name = word
	return true, nil
}

func expandLink(word string, known map[string]linkWord) string {
	if laterWords()[word] != "" {
		return word
	}
	return words.Expand(word, known)
}

func (p *linkParser) word(word string, known map[string]linkWord) error {
	if word == "type" {
		p.typed = true
		_, err := p.OneOf("type", "vxlan")
		return err
	}
	if fn := known[word]; fn != nil {
		return fn(p, word)
	}
	if why := laterWords()[word]; why != "" {
		return words.Usagef("%q is %s", word, why)
	}
	return words.Usagef("unknown word %q in the link sentence: see uvtep link add --help", word)
}

// check has control judge the whole and makes a UsageError of its refusal.
func (p *linkParser) check() error {
	if err := control.ValidateLink(&p.out.LinkSpec); err != nil {
		return words.Usagef("%v", err)
	}
	return nil
}

// laterWords are iproute2's and uvtep's own words that are refused, each with
// the reason. A word that comes to be supported moves to linkWords.
func laterWords() map[string]string {
	const later = "not supported yet: leave it out"
	known := map[string]string{}
	for _, w := range []string{
		"rxqueues", "numrxqueues", "txqueuelen", "txqlen", "qlen",
	} {
		known[w] = later
	}
	known["external"] = "for tunnel keys of the kernel's routes, tc and bridges, which reach no device outside of it: add a link for each VNI"
	known["vnifilter"] = "for external links, which uvtep has not: add a link for each VNI"
	known["gpe"] = "another protocol, VXLAN-GPE, which uvtep does not speak: leave it out, or leave that link to the kernel"
	known["rsc"] = "not supported, short cuts past the host's routing: leave it out"
	for _, w := range []string{"remcsumtx", "remcsumrx"} {
		known[w] = "not supported, an extension that only Linux speaks (remote checksum offload): leave it out"
	}
	for _, w := range []string{
		"master", "nomaster", "netns", "promisc", "multicast", "allmulticast", "arp", "dynamic", "alias",
		"broadcast", "addrgenmode", "link-netnsid", "gso_max_size", "gso_max_segs", "vrf", "altname",
	} {
		known[w] = "not uvtep's to set: give it with ip link set NAME " + w + " ..."
	}
	known["link"] = "not a VXLAN's: write the underlay device as dev NAME"
	return known
}
