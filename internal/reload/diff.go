package reload

import (
	"reflect"

	"github.com/uvtep/uvtep/vtep"
)

// difference is what changes a link from was to is.
type difference struct {
	renew    bool // the link has to be deleted and added again
	config   bool
	up       bool
	put, del []vtep.FDBEntry
}

func (d *difference) empty() bool {
	return !d.renew && !d.config && !d.up && len(d.put)+len(d.del) == 0
}

// diff compares a link of the file before with that of the new file.
func diff(was, is *link) difference {
	d := difference{
		renew:  max(was.config.Queues, 1) != max(is.config.Queues, 1) || was.config.Index != is.config.Index,
		config: !reflect.DeepEqual(was.config, is.config),
		up:     was.up != is.up,
	}
	before, after := byKey(was.entries), byKey(is.entries)
	for _, e := range is.entries {
		if i, ok := before[keyOf(e)]; !ok || !sameEntry(was.entries[i], e) {
			d.put = append(d.put, e)
		}
	}
	def := keyOf(is.defaultEntry())
	for _, e := range was.entries {
		key := keyOf(e)
		if _, stays := after[key]; !stays && key != def { // which a remote may have become
			d.del = append(d.del, e)
		}
	}
	return d
}

// merge changes in c what differs between was and is.
func merge[T any](c, was, is *T) {
	to, from, target := reflect.ValueOf(c).Elem(), reflect.ValueOf(was).Elem(), reflect.ValueOf(is).Elem()
	for i := range to.NumField() {
		if !reflect.DeepEqual(from.Field(i).Interface(), target.Field(i).Interface()) {
			to.Field(i).Set(target.Field(i))
		}
	}
}
