package config

import (
	"maps"
	"slices"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/internal/words"
)

// linkParser reads one link sentence.
type linkParser struct {
	*words.Sentence
	known  map[string]*words.Word
	change bool // a `link set`: the name of the link stands apart from a new one
	name   string
	typed  bool // past `type vxlan`
	out    api.LinkChange
}

// ParseLinkAdd reads what follows `link add`: NAME [type vxlan] id VNI ..., the
// words in any order.
func ParseLinkAdd(args []string, family words.Family) (api.LinkChange, error) {
	p := &linkParser{Sentence: words.NewSentence(args, family), known: words.Known(true)}
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
	p := &linkParser{Sentence: words.NewSentence(args, family), known: words.Known(true), change: true}
	if err := p.parse(); err != nil {
		return "", api.LinkChange{}, err
	}
	if p.Empty() {
		return "", api.LinkChange{}, words.Usagef("nothing to change of %s: write what, such as up or mtu 1450", p.name)
	}
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
		if err := words.ValidName(name); err != nil {
			return "", words.AsUsage(err)
		}
	}
	return name, nil
}

func (p *linkParser) parse() error {
	for {
		word, ok := p.Next()
		if !ok {
			break
		}
		if p.name == "" {
			if done, err := p.nameWord(word); done || err != nil {
				if err != nil {
					return err
				}
				continue
			}
		} else {
			word = p.expand(word)
		}
		if err := p.word(word); err != nil {
			return err
		}
	}
	if p.name == "" {
		return words.Usagef("the link needs a name: write it first, such as vxlan0")
	}
	return nil
}

// nameWord reads the link's name, with or without dev or name before it, unless word is one of
// the sentence. After `type vxlan`, dev is the underlay's device, as in iproute2.
func (p *linkParser) nameWord(word string) (bool, error) {
	switch {
	case word == "dev" && !p.typed, word == "name":
		v, err := p.Value(word, "NAME")
		if err != nil {
			return false, err
		}
		word = v
	case word == "type" || p.known[word] != nil || words.Refused()[word] != "" || slices.Contains(words.Absent(), word):
		return false, nil
	}
	if err := words.ValidName(word); err != nil {
		return false, words.AsUsage(err)
	}
	p.name = word
	return true, nil
}

// expand completes an abbreviation, to a word of iproute2 where it is one's: `learn` is
// learning as it is to ip, whatever words of uvtep's own begin so.
func (p *linkParser) expand(word string) string {
	if words.Refused()[word] != "" {
		return word
	}
	all := make(map[string]*words.Word, len(p.known))
	maps.Copy(all, p.known)
	for _, w := range words.Absent() {
		all[w] = nil
	}
	if _, whole := all[word]; whole {
		return word
	}
	theirs := maps.Clone(all)
	maps.DeleteFunc(theirs, func(_ string, w *words.Word) bool { return w != nil && w.Owner == words.Own })
	if full := words.Expand(word, theirs); full != word {
		return full
	}
	return words.Expand(word, all)
}

// word reads one word of the sentence and its value.
func (p *linkParser) word(word string) error {
	switch w := p.known[word]; {
	case word == "type":
		p.typed = true
		_, err := p.OneOf("type", "vxlan")
		return err
	case word == "name" && !p.change:
		return words.Usagef("the link has a name already, %q", p.name)
	case w != nil:
		return w.Parse(p.Sentence, word, &p.out)
	case slices.Contains(words.Absent(), word):
		return p.absent(word)
	}
	if why := words.Refused()[word]; why != "" {
		return words.Usagef("%q is %s", word, why)
	}
	return words.Usagef("unknown word %q in the link sentence: see uvtep link add --help", word)
}

// absent reads a word that switches off what no link of uvtep has. A change of a link refuses
// such a word, as the kernel does.
func (p *linkParser) absent(word string) error {
	if p.change {
		return words.Usagef("%q is so of every link: leave it out", word)
	}
	return p.Once(word)
}

// check checks the whole sentence. Its error is a UsageError.
func (p *linkParser) check() error { return words.AsUsage(control.ValidateLink(&p.out.LinkSpec)) }
