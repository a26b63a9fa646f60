package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/uvtep/uvtep/internal/config"
	"github.com/uvtep/uvtep/internal/fault"
)

// readTime is how long the read of a file may take. A file system that does not answer, such
// as one of the network, may block a read for ever.
const readTime = 10 * time.Second

// fileReading reads a file within a limited time.
type fileReading struct {
	name    string
	log     *slog.Logger
	read    func(name string) (*config.File, error)
	pending chan fileRead // where a reading that took too long will be told; nil: of none
}

type fileRead struct {
	file *config.File
	err  error
}

// now reads the file for at most readTime. A read that takes longer goes on in its goroutine,
// the only one that nothing waits for, since nothing can end it. Its result is ignored, and no
// other read begins before it ends.
func (r *fileReading) now(ctx context.Context) (*config.File, error) {
	timer := time.NewTimer(readTime)
	defer timer.Stop()
	for {
		stale := r.pending != nil
		if !stale {
			done := make(chan fileRead, 1)
			r.pending = done
			go func() {
				got := fileRead{err: errors.New("a fault of uvtep: its log has the stack; please report it")}
				fault.Catch(r.log, "reading the configuration file", func() { got.file, got.err = r.read(r.name) })
				done <- got
			}()
		}
		select {
		case got := <-r.pending:
			if r.pending = nil; !stale {
				return got.file, got.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
			return nil, fmt.Errorf("%s is being read for %v and longer: see whether its file system answers, and try again", r.name, readTime)
		}
	}
}
