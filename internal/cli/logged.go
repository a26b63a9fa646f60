package cli

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/uvtep/uvtep/internal/logging"
)

// lastWords is how long the daemon, when it ends, waits for the reader of its log.
const lastWords = time.Second

// formatEnv names the environment variable that has the format of the log.
const formatEnv = "UVTEP_LOG_FORMAT"

// logOptions are the options of a daemon's log.
type logOptions struct{ format, levels string }

func (o *logOptions) flags(f *pflag.FlagSet) {
	format := os.Getenv(formatEnv)
	if format == "" {
		format = "auto"
	}
	f.StringVar(&o.format, "log-format", format, "`text`, json or journal; auto is text on a terminal, journal in a unit of systemd, json elsewhere; else $"+formatEnv)
	f.StringVar(&o.levels, "log-level", "info", "the least `level` of lines, debug, info, warn or error, and of those of a class, such as warn,config=info")
}

// logged runs the daemon with a log that neither blocks nor ends it, whatever happens to the
// reader of the log. The error of serve is logged as well.
func (a *app) logged(o *logOptions, serve func(*logging.Log) error) error {
	format, err := logging.ParseFormat(o.format)
	if err != nil {
		return usagef("--log-format: %v", err)
	}
	levels, err := logging.ParseLevels(o.levels)
	if err != nil {
		return usagef("--log-level: %v", err)
	}
	// A write to a pipe on stderr without a reader ends a program that does not ask
	// for the signal (os/signal). Ignoring it would be inherited.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	lines := logging.New(a.err, format, levels)
	go lines.Run()
	defer lines.Close(lastWords)
	if err := serve(lines); err != nil {
		return exitStatus(report(lines, err))
	}
	return nil
}

// hangups receives SIGHUP until the process ends, since the signal ends a program that does
// not: it may come before and after there is a file to read again.
func hangups() <-chan os.Signal {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	return hup
}

// ignoreHangups logs once that there is no file to read again.
func ignoreHangups(ctx context.Context, hup <-chan os.Signal, log *slog.Logger) error {
	select {
	case <-ctx.Done():
	case <-hup:
		log.Warn("SIGHUP does nothing, the daemon has no configuration file: start it with uvtep run --config FILE")
	}
	return nil
}
