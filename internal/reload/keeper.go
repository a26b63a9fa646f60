package reload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/internal/config"
	"github.com/uvtep/uvtep/internal/names"
	"github.com/uvtep/uvtep/vtep"
)

// Backend is what a file is applied to. *vtep.VTEP is one.
type Backend interface {
	control.LinkBackend
	control.PortBackend
	control.FDBWriter
}

// Resolver looks names up. *names.Resolver is one.
type Resolver interface {
	Lookup(ctx context.Context, names []string) []names.Answer
}

// Keeper keeps a VTEP as its configuration file describes it.
type Keeper struct {
	backend  Backend
	resolver Resolver
	log      *slog.Logger
	wake     chan struct{} // there may be new names

	mu      sync.Mutex // before the backend's locks
	file    *config.File
	ports   map[string]config.FilePort // as applied
	applied map[string]link            // as the backend accepted them
	added   []string                   // by the Load under way, and not up yet
	known   map[string]names.Answer
	due     map[string]time.Time // when to ask for a name again

	lost lostLinks
}

// New returns a Keeper that has applied nothing yet.
func New(b Backend, r Resolver, log *slog.Logger) *Keeper {
	return &Keeper{
		backend: b, resolver: r, log: log, wake: make(chan struct{}, 1), file: &config.File{},
		ports: make(map[string]config.FilePort), applied: make(map[string]link), known: make(map[string]names.Answer), due: make(map[string]time.Time),
	}
}

// Load applies the difference between f and the file before. Each refusal of the backend is an
// error that begins with the place of its link; the rest is applied, and the next Load tries
// again what was refused.
func (k *Keeper) Load(f *config.File) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.file = f
	k.forgetNames()
	err := k.nameBack()
	exists := k.links()
	// A link of the file that somebody deleted is made again.
	maps.DeleteFunc(k.applied, func(name string, _ link) bool { return !exists[name] })
	renewed, rerr := k.removeOld(exists)
	err = errors.Join(err, rerr, k.applyPorts()) // with no link on those that go, and before links on those that come
	for i := range f.Links {
		l := &f.Links[i]
		if lerr := k.apply(l, exists); lerr != nil {
			err = errors.Join(err, lerr, k.goBack(l.Name, renewed))
		}
		if errors.Is(err, vtep.ErrClosed) { // the daemon ends, and would refuse the rest as well
			return err
		}
	}
	err = errors.Join(err, k.raiseNew())
	k.noteIndexes()
	k.wakeRun()
	return err
}

func (k *Keeper) wakeRun() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// names are the names among the file's remotes.
func (k *Keeper) names() map[string]bool {
	all := make(map[string]bool)
	for _, l := range k.file.Links {
		for _, h := range l.Remotes {
			if h.Name != "" {
				all[h.Name] = true
			}
		}
	}
	return all
}

// forgetNames drops the names that the file has no longer, and makes Run ask for the new ones.
func (k *Keeper) forgetNames() {
	wanted := k.names()
	maps.DeleteFunc(k.known, func(name string, _ names.Answer) bool { return !wanted[name] })
	maps.DeleteFunc(k.due, func(name string, _ time.Time) bool { return !wanted[name] })
	for name := range wanted {
		if _, ok := k.due[name]; !ok {
			k.due[name] = time.Time{}
		}
	}
}

// links are the links of the VTEP.
func (k *Keeper) links() map[string]bool {
	all := make(map[string]bool)
	for _, l := range k.backend.Links() {
		all[l.Config.Name] = true
	}
	return all
}

// removeOld deletes links that the file has no longer, and links that have to be made anew,
// before others take their names and VNIs. It returns the latter.
func (k *Keeper) removeOld(exists map[string]bool) (renewed map[string]link, all error) {
	wanted := make(map[string]*config.FileLink, len(k.file.Links))
	for i := range k.file.Links {
		wanted[k.file.Links[i].Name] = &k.file.Links[i]
	}
	renewed = make(map[string]link)
	before := maps.Clone(k.applied)
	for _, name := range slices.Sorted(maps.Keys(k.applied)) {
		was := k.applied[name]
		if f := wanted[name]; f != nil {
			is, err := linkOf(f, k.known, was.config.Remote)
			if err != nil || !diff(&was, &is).renew && !vniTaken(before, &was, &is) { // apply tells of the error
				continue
			}
			renewed[name] = was
		}
		if err := k.backend.DelLink(name); err != nil && !errors.Is(err, vtep.ErrNoLink) {
			all = errors.Join(all, fmt.Errorf("%s: link %s: %w", was.place, name, err))
			continue
		}
		delete(k.applied, name)
		delete(exists, name)
	}
	return renewed, all
}

// vniTaken reports whether a link gets the VNI that another link of the file had before, as
// where two links swap their VNIs.
func vniTaken(before map[string]link, was, is *link) bool {
	if was.config.VNI == is.config.VNI {
		return false
	}
	for name, other := range before {
		if name != was.config.Name && other.config.VNI == is.config.VNI {
			return true
		}
	}
	return false
}

// goBack makes a link as it was before, after it could not be made anew.
func (k *Keeper) goBack(name string, renewed map[string]link) error {
	was, ok := renewed[name]
	if _, exists := k.applied[name]; !ok || exists {
		return nil
	}
	done, err := k.add(&was)
	if done.config.Name != "" {
		k.applied[name] = done
	}
	return err
}

// apply brings one link in line with the file. exists are the VTEP's links; nil: the addresses
// of a name changed, which makes no link and removes none.
func (k *Keeper) apply(f *config.FileLink, exists map[string]bool) error {
	was, known := k.applied[f.Name]
	if !known && exists == nil {
		return nil
	}
	is, err := linkOf(f, k.known, was.config.Remote)
	if err == nil {
		var done link
		switch {
		case known:
			done, err = k.change(&was, &is, exists != nil)
		case exists[f.Name]:
			done, err = k.adopt(&is)
		default:
			done, err = k.addDown(&is)
		}
		if done.config.Name != "" {
			k.applied[f.Name] = done
		} else {
			delete(k.applied, f.Name)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: link %s: %w", f.Place, f.Name, err)
	}
	return nil
}

// Run asks for names again when their answers expire, applies the new addresses, and makes again what
// Lost was told of, until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-k.wake:
		case <-timer.C:
		}
		if due := k.dueNames(); len(due) > 0 {
			answers := k.resolver.Lookup(ctx, due)
			if ctx.Err() != nil {
				return nil // what was cut short is no answer
			}
			k.take(answers)
		}
		k.makeAgain()
		timer.Reset(min(k.pause(), k.lost.pause()))
	}
}

// dueNames are the names whose answers have expired.
func (k *Keeper) dueNames() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var due []string
	for name, at := range k.due {
		if !at.After(time.Now()) {
			due = append(due, name)
		}
	}
	slices.Sort(due)
	return due
}

// pause is the time until a name is due.
func (k *Keeper) pause() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := time.Now().Add(time.Hour) // with no names, Load wakes Run
	for _, at := range k.due {
		if at.Before(next) {
			next = at
		}
	}
	return max(time.Until(next), 0)
}

// take notes answers and applies them to the links with those names.
func (k *Keeper) take(answers []names.Answer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	changed := make(map[string]bool)
	for _, a := range answers {
		if _, wanted := k.due[a.Name]; !wanted {
			continue // the file was read meanwhile
		}
		k.due[a.Name] = time.Now().Add(a.Holds)
		before, asked := k.known[a.Name]
		now := a
		now.IPv4 = k.kept(a.Name, before.IPv4, a.IPv4)
		now.IPv6 = k.kept(a.Name, before.IPv6, a.IPv6)
		k.known[a.Name] = now
		if !asked || !slices.Equal(before.IPv4.Addrs, now.IPv4.Addrs) || !slices.Equal(before.IPv6.Addrs, now.IPv6.Addrs) {
			changed[a.Name] = true
			k.log.Info("a remote's name resolves to", "name", a.Name, "addresses", slices.Concat(now.IPv4.Addrs, now.IPv6.Addrs))
		}
	}
	for i := range k.file.Links {
		l := &k.file.Links[i]
		if !slices.ContainsFunc(l.Remotes, func(h config.Host) bool { return changed[h.Name] }) {
			continue
		}
		if err := k.apply(l, nil); err != nil {
			k.log.Error("a name's addresses were not applied", "err", err)
		}
	}
}

// kept is an answer, or the one before where the look-up failed: a silent name server removes
// no remote. The first of several failures is logged.
func (k *Keeper) kept(name string, before, now names.Addresses) names.Addresses {
	if now.Err == nil {
		return now
	}
	if before.Err == nil {
		k.log.Warn("a remote's name cannot be looked up, keeping what is known", "name", name, "err", now.Err)
	}
	return names.Addresses{Addrs: before.Addrs, Err: now.Err}
}
