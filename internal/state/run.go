package state

import (
	"context"
	"log/slog"
	"time"

	"github.com/uvtep/uvtep/internal/fault"
)

const (
	// saveEvery is how often the state is looked at for what was learned.
	saveEvery = 10 * time.Second
	// gather is how long a change of a client waits for more of them.
	gather = 100 * time.Millisecond
	// restFactor bounds the processor's share that saving takes: after it took a time, this many times that is rest.
	restFactor = 20
	// tellEvery is how often a failure that lasts is logged.
	tellEvery = time.Minute
)

// Saver keeps a directory's files in step with a VTEP.
type Saver struct {
	dir     *Dir
	collect func() (*State, int, error)
	log     *slog.Logger
	changed chan struct{}

	failing  bool
	told     time.Time
	leftTold bool
}

// NewSaver saves to d what collect gives.
func NewSaver(d *Dir, collect func() (*State, int, error), log *slog.Logger) *Saver {
	return &Saver{dir: d, collect: collect, log: log, changed: make(chan struct{}, 1)}
}

// Changed notes that a client changed something: it is saved soon. The method may be called on a nil Saver.
func (s *Saver) Changed() {
	if s == nil {
		return
	}
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Run saves until ctx ends, and returns nil, as it does at once of a nil Saver.
func (s *Saver) Run(ctx context.Context) error {
	if s == nil {
		return nil
	}
	rest := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(saveEvery, rest)):
		case <-s.changed:
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(max(gather, rest)):
			}
			select {
			case <-s.changed: // what came meanwhile is saved with it
			default:
			}
		}
		began := time.Now()
		fault.Catch(s.log, "saving the state", s.Save)
		rest = restFactor * time.Since(began)
	}
}

// Save saves the state now. A disk that is full, or any other refusal, is logged and tried again.
func (s *Saver) Save() {
	state, left, err := s.collect()
	if err == nil {
		err = s.dir.Save(state)
	}
	now := time.Now()
	switch {
	case err != nil && (!s.failing || now.Sub(s.told) >= tellEvery):
		s.failing, s.told = true, now
		s.log.Error("the state cannot be saved: a restart would bring back what was saved before", "dir", s.dir.path, "err", err)
	case err == nil && s.failing:
		s.failing = false
		s.log.Info("the state is saved again", "dir", s.dir.path)
	}
	if left > 0 && !s.leftTold {
		s.log.Warn("the state has no room for all entries: a restart would learn the rest again", "entries", MostEntries, "left", left)
	}
	s.leftTold = left > 0
}
