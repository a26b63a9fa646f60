package evpn

import (
	"iter"
	"slices"
)

// routeList are the routes of an address. Most addresses have one: those have no list in memory.
type routeList struct {
	first *route
	more  *[]*route // nil: none
}

func (l *routeList) isEmpty() bool { return l.first == nil }

// add puts in a route that is not there.
func (l *routeList) add(rt *route) {
	switch {
	case l.first == nil:
		l.first = rt
	case l.more == nil:
		l.more = &[]*route{rt}
	default:
		*l.more = append(*l.more, rt)
	}
}

// remove takes out a route, where it is there.
func (l *routeList) remove(rt *route) {
	if l.more == nil {
		if l.first == rt {
			l.first = nil
		}
		return
	}
	more := *l.more
	if last := len(more) - 1; l.first == rt {
		l.first, more[last] = more[last], nil
		more = more[:last]
	} else if i := slices.Index(more, rt); i >= 0 {
		more = slices.Delete(more, i, i+1)
	}
	if *l.more = more; len(more) == 0 {
		l.more = nil
	}
}

// all has each route. None may be put in or taken out meanwhile.
func (l *routeList) all() iter.Seq[*route] {
	return func(yield func(*route) bool) {
		if l.first == nil || !yield(l.first) || l.more == nil {
			return
		}
		for _, rt := range *l.more {
			if !yield(rt) {
				return
			}
		}
	}
}
