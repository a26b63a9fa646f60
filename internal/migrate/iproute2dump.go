package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// linksOf reads the output of `ip -d -j link show`. A device that cannot be read
// is told, and costs no other.
func linksOf(text []byte) (all []link, told []string, err error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, nil, fmt.Errorf("the links are not what ip prints: %w; write the output of ip -d -j link show", err)
	}
	detailed := false
	for i, one := range raw {
		var l link
		if err := json.Unmarshal(one, &l); err != nil {
			told = append(told, printable(fmt.Sprintf("%s: left out: it is not what ip prints: %v", nameOf(one, i), err)))
			detailed = true // nobody knows
			continue
		}
		if l.Name == "" { // ip prints empty elements for what it was not asked for
			continue
		}
		detailed = detailed || l.RxQueues != 0 || l.Info.Kind != ""
		all = append(all, l)
	}
	if len(all) > 0 && !detailed {
		return nil, nil, errors.New("the links have no settings, which ip prints with -d alone: write the output of ip -d -j link show")
	}
	return all, told, nil
}

// nameOf is how to call an element that cannot be read.
func nameOf(one json.RawMessage, i int) string {
	var named struct {
		Name any `json:"ifname"`
	}
	if err := json.Unmarshal(one, &named); err == nil {
		if name, ok := named.Name.(string); ok && name != "" {
			return name
		}
	}
	return fmt.Sprintf("element %d", i+1)
}

// entriesOf reads the output of `bridge -j fdb show`, by device. Entries of one
// device (`bridge -j fdb show dev NAME`) do not name it: they are those of the
// only VXLAN link that there is.
func entriesOf(text []byte, links []*link) (of map[string][]entry, told []string, err error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, nil, fmt.Errorf("the entries are not what bridge prints: %w; write the output of bridge -j fdb show", err)
	}
	of = map[string][]entry{}
	var strangers []string
	for i, one := range raw {
		var e entry
		if err := json.Unmarshal(one, &e); err != nil {
			told = append(told, printable(fmt.Sprintf("%s: an entry is left out: it is not what bridge prints: %v", nameOf(one, i), err)))
			continue
		}
		dev := e.Dev
		if dev == "" {
			dev = e.Old
		}
		switch known := slices.ContainsFunc(links, func(l *link) bool { return l.Name == dev }); {
		case dev == "" && len(links) == 1:
			dev = links[0].Name
		case dev == "" && len(links) > 1 && e.MAC != "":
			return nil, nil, errors.New("the entries do not say whose they are, and there are several links: write the output of bridge -j fdb show, without dev")
		case !known && e.Dst != "" && !slices.Contains(strangers, dev):
			strangers = append(strangers, dev)
			told = append(told, printable(fmt.Sprintf("%s: its entries are left out: the links have no VXLAN device of that name", dev)))
		}
		of[dev] = append(of[dev], e)
	}
	return of, told, nil
}
