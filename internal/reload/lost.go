package reload

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/uvtep/uvtep/vtep"
)

// A link of the file whose netdev somebody deletes is made again at once. Where that happens again soon,
// as where a script of the operator deletes what it does not know, it is made again ever later, so that
// the two do not keep a processor busy.
const (
	firstRest = 250 * time.Millisecond
	maxRest   = 30 * time.Second
	// calm is how long a netdev has to live for its next loss to count as the first.
	calm = time.Minute
)

// lostLinks are the links and ports whose netdevs somebody deleted, by name.
type lostLinks struct {
	mu     sync.Mutex // after the backend's locks; nothing is called with it held
	byName map[string]*lostLink
}

type lostLink struct {
	missing bool
	due     time.Time     // when to make it again
	made    time.Time     // when it was last made again
	rest    time.Duration // before the next try
}

// Lost notes that somebody deleted the netdev of a link or port. Run makes what is the file's again. It
// calls nothing of the backend, which may call it with its locks held.
func (k *Keeper) Lost(name string) {
	k.lost.note(name, time.Now())
	k.wakeRun()
}

func (s *lostLinks) note(name string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName == nil {
		s.byName = make(map[string]*lostLink)
	}
	l := s.byName[name]
	if l == nil {
		l = &lostLink{}
		s.byName[name] = l
	}
	if now.Sub(l.made) >= calm {
		l.rest = 0
	}
	l.missing, l.due = true, now.Add(l.rest)
	l.rest = longer(l.rest)
}

func longer(rest time.Duration) time.Duration { return min(max(2*rest, firstRest), maxRest) }

// dueNow are the names to make again, in order.
func (s *lostLinks) dueNow(now time.Time) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, l := range s.byName {
		if l.missing && !l.due.After(now) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// tried notes what came of making name again. Of a link that the file does not have nothing is kept.
func (s *lostLinks) tried(name string, ours bool, err error, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.byName[name]
	switch {
	case !ours:
		delete(s.byName, name)
	case err == nil:
		l.missing, l.made = false, now
	default:
		l.due = now.Add(l.rest)
		l.rest = longer(l.rest)
	}
}

// pause is the time until something is due.
func (s *lostLinks) pause() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := time.Hour
	for _, l := range s.byName {
		if l.missing {
			next = min(next, time.Until(l.due))
		}
	}
	return max(next, 0)
}

// makeAgain makes the links and ports of the file again that Lost told of, ports first.
func (k *Keeper) makeAgain() {
	due := k.lost.dueNow(time.Now())
	if len(due) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	errs, ours := make(map[string]error), make(map[string]bool)
	for i := range k.file.Ports {
		if p := &k.file.Ports[i]; slices.Contains(due, p.Name) {
			ours[p.Name] = true
			errs[p.Name] = k.portAgain(p.Name, i)
		}
	}
	exists := k.links()
	for i := range k.file.Links {
		l := &k.file.Links[i]
		if !slices.Contains(due, l.Name) {
			continue
		}
		ours[l.Name] = true
		if !exists[l.Name] {
			delete(k.applied, l.Name)
			errs[l.Name] = k.apply(l, exists)
		}
	}
	raised := k.raiseNew()
	k.noteIndexes()
	for _, name := range due {
		err := errs[name]
		if k.lost.tried(name, ours[name], err, time.Now()); !ours[name] || errors.Is(err, vtep.ErrClosed) {
			continue
		}
		if err != nil {
			k.log.Error("the netdev of a link of the configuration file was deleted and cannot be made again yet", "name", name, "err", err)
			continue
		}
		k.log.Warn("the netdev of a link of the configuration file was deleted: made again, without the addresses and the bridge that others gave it", "name", name)
	}
	if raised != nil && !errors.Is(raised, vtep.ErrClosed) {
		k.log.Error("a link that was made again cannot be set up", "err", raised)
	}
}

// portAgain makes port i of the file again, unless somebody else has.
func (k *Keeper) portAgain(name string, i int) error {
	for _, t := range k.backend.Trunks() {
		if t.Config.Name == name {
			return nil
		}
	}
	p := &k.file.Ports[i]
	delete(k.ports, name)
	if err := k.applyPort(p, false); err != nil {
		return fmt.Errorf("%s: port %s: %w", p.Place, name, err)
	}
	k.ports[name] = *p
	return nil
}
