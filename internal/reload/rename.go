package reload

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/uvtep/uvtep/vtep"
)

// noteIndexes remembers the netdevs of the file's links, by which one is known
// again under another name.
func (k *Keeper) noteIndexes() {
	for _, l := range k.backend.Links() {
		if is, ok := k.applied[l.Config.Name]; ok {
			is.index = l.Index
			k.applied[l.Config.Name] = is
		}
	}
}

// nameBack gives the file's links that somebody renamed the names of the file
// before, unless the file calls them so as well now.
func (k *Keeper) nameBack() error {
	exists, byIndex := make(map[string]bool), make(map[int]string)
	for _, l := range k.backend.Links() {
		exists[l.Config.Name], byIndex[l.Index] = true, l.Config.Name
	}
	var all error
	for _, name := range slices.Sorted(maps.Keys(k.applied)) {
		was := k.applied[name]
		now := byIndex[was.index]
		if exists[name] || now == "" || k.wants(now) {
			continue
		}
		err := k.backend.UpdateLink(now, func(c *vtep.LinkConfig) error { c.Name = name; return nil })
		if err != nil {
			all = errors.Join(all, fmt.Errorf("%s: link %s, which is called %s: %w", was.place, name, now, err))
		}
	}
	return all
}

// wants reports whether the file has a link of that name.
func (k *Keeper) wants(name string) bool {
	for i := range k.file.Links {
		if k.file.Links[i].Name == name {
			return true
		}
	}
	return false
}
