package config

import (
	"slices"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/words"
)

// LinkFilter selects links to show. A field that is not set selects all.
type LinkFilter struct {
	Name     string
	Up       bool   // links that are up
	Master   string // links that are slaves of this device
	NoMaster bool   // links that are no slaves
	Group    string // links of this device group
	other    bool   // links of another type than vxlan, of which uvtep has none
}

// ParseLinkShow reads what follows `link show`: [dev] [NAME] [up] [master
// DEVICE] [nomaster] [group GROUP] [type TYPE], in any order
// (ipaddr_list_flush_or_save in ip/ipaddress.c).
func ParseLinkShow(args []string) (LinkFilter, error) {
	f, s := LinkFilter{}, words.NewSentence(args, words.AnyFamily)
	for {
		word, ok := s.Next()
		if !ok {
			return f, nil
		}
		if err := f.word(s, word); err != nil {
			return f, err
		}
	}
}

func (f *LinkFilter) word(s *words.Sentence, word string) (err error) {
	v := word
	switch word {
	case "up":
		f.Up = true
		return nil
	case "nomaster":
		f.NoMaster = true
		return nil
	case "novf": // says nothing of a device without virtual functions
		return nil
	case "dev":
		if v, err = s.Value(word, "NAME"); err != nil {
			return err
		}
	case "type":
		v, err = s.Value(word, "vxlan")
		f.other = v != "vxlan"
		return err
	case "group":
		f.Group, err = s.Value(word, "GROUP")
		return err
	case "master", "vrf":
		if f.Master, err = s.Value(word, "DEVICE"); err != nil {
			return err
		}
		return words.AsUsage(words.ValidName(f.Master))
	}
	if f.Name != "" {
		return words.Usagef("unknown word %q after the link's name", v)
	}
	f.Name = v
	return words.AsUsage(words.ValidName(v))
}

// Matches reports whether the filter selects a link. The caller looks at the name.
func (f *LinkFilter) Matches(d *api.Netdev) bool {
	return !f.other &&
		(!f.Up || slices.Contains(d.Flags, "UP")) &&
		(f.Master == "" || d.Master == f.Master) &&
		(!f.NoMaster || d.Master == "") &&
		(f.Group == "" || d.Group == f.Group || f.Group == "0" && d.Group == "default")
}
