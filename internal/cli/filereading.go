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

// readTime is how long a file may take to be read. A file system that does not
// answer, such as a network's, keeps who reads it for as long as it likes.
const readTime = 10 * time.Second

// fileReading reads a file without being kept by it.
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

// now reads the file, for readTime at most. A reading that lasts longer goes on by
// itself, the only goroutine that nobody waits for, as nothing ends it; what it
// brings is of no interest, and no other begins before it has ended.
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
