package cli

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/uvtep/uvtep/internal/logging"
)

// lastWords is how long the end of the daemon waits for the reader of its log.
const lastWords = time.Second

// logged runs the daemon with a log that cannot hold it up or end it, whatever
// becomes of who reads it. What serve returns is said there, too.
func (a *app) logged(serve func(*logging.Log) error) error {
	// A write to a pipe on stderr without a reader ends a program that does not ask
	// for the signal (os/signal). Ignoring it would be inherited.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	lines := logging.New(a.err)
	go lines.Run()
	defer lines.Close(lastWords)
	if err := serve(lines); err != nil {
		return exitStatus(report(lines, err))
	}
	return nil
}
