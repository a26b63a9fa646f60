package config

import (
	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/words"
)

// ParseNeigh reads what follows `neigh add|replace|del`: [to] IP [lladdr LLADDR] dev NAME
// [router] [override] [nud permanent], in any order, as `ip neigh` has it (ipneigh_modify in
// ip/ipneigh.c).
func ParseNeigh(verb string, args []string, family words.Family) (api.NeighEntry, error) {
	s, n := words.NewSentence(args, family), api.NeighEntry{}
	for {
		word, ok := s.Next()
		if !ok {
			break
		}
		if err := neighWord(s, verb, word, &n); err != nil {
			return n, err
		}
	}
	switch {
	case !n.IP.IsValid() || n.Dev == "":
		return n, words.Usagef("neigh %s needs an IP address and a link: write neigh %s IP lladdr LLADDR dev NAME", verb, verb)
	case n.MAC == "" && verb != "del":
		return n, words.Usagef("neigh %s needs the MAC address that the link answers with: write lladdr LLADDR", verb)
	}
	return n, nil
}

func neighWord(s *words.Sentence, verb, word string, n *api.NeighEntry) error {
	switch word {
	case "dev":
		v, err := s.Value(word, "NAME")
		if err != nil {
			return err
		}
		n.Dev = v
		if err := words.ValidName(v); err != nil {
			return words.Usagef("%s: %v", word, err)
		}
	case "lladdr":
		v, err := s.Value(word, "LLADDR")
		if err != nil {
			return err
		}
		mac, err := encap.ParseMAC(v)
		if err != nil {
			return words.Usagef("lladdr %q is no MAC address: write six bytes such as 02:00:00:00:00:01", v)
		}
		n.MAC = mac.String()
	case "router":
		n.Router = true
	case "override":
		n.Override = true
	case "nud":
		_, err := s.OneOf(word, "permanent", "noarp")
		if err != nil {
			return words.Usagef("%v: a link's neighbours neither age nor are asked for", err)
		}
	case "proxy":
		return words.Usagef("\"proxy\" is for the kernel's neighbour proxy: leave it out; the link's own word proxy has it answer (uvtep link set NAME proxy)")
	default:
		if word != "to" {
			s.Rest = append([]string{word}, s.Rest...)
			word = "neigh " + verb
		}
		a, err := s.Address(word)
		if err != nil {
			return err
		}
		word, n.IP = "the IP address", a
	}
	return s.Once(word)
}

// ParseNeighShow reads what follows `neigh show`: [dev NAME].
func ParseNeighShow(args []string) (dev string, err error) {
	s := words.NewSentence(args, words.AnyFamily)
	for {
		word, ok := s.Next()
		switch {
		case !ok:
			return dev, nil
		case word != "dev":
			return "", words.Usagef("neigh show has no word %q: write neigh show dev NAME, or nothing for all links", word)
		}
		if dev, err = s.Value(word, "NAME"); err != nil {
			return "", err
		}
		if err := words.ValidName(dev); err != nil {
			return "", words.Usagef("%s: %v", word, err)
		}
		if err := s.Once(word); err != nil {
			return "", err
		}
	}
}
