package cli

import (
	"context"
	"log/slog"
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

// hangups has SIGHUP told, which ends a program that does not ask for it, to the end
// of the process: it may come before and after there is a file to read again.
func hangups() <-chan os.Signal {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	return hup
}

// ignoreHangups says, once, that there is no file to read again.
func ignoreHangups(ctx context.Context, hup <-chan os.Signal, log *slog.Logger) error {
	select {
	case <-ctx.Done():
	case <-hup:
		log.Warn("SIGHUP does nothing, the daemon has no configuration file: start it with uvtep run --config FILE")
	}
	return nil
}
