package logging

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
)

// Format is how a line of the log is written.
type Format string

// The formats.
const (
	Text    Format = "text"    // key=value, for people
	JSON    Format = "json"    // an object a line, for collectors
	Journal Format = "journal" // text behind a priority that systemd's journal reads (sd-daemon(3)), which has the time itself
)

// ParseFormat reads a format; "auto" is what fits the process's standard error: text on a terminal, Journal where it is the
// journal, JSON elsewhere.
func ParseFormat(s string) (Format, error) {
	switch f := Format(s); f {
	case Text, JSON, Journal:
		return f, nil
	case "auto":
		return fitting(), nil
	}
	return "", fmt.Errorf("%q is no format of the log: write auto, text, json or journal", s)
}

func fitting() Format {
	if is, err := journal.StderrIsJournalStream(); err == nil && is {
		return Journal
	}
	if i, err := os.Stderr.Stat(); err == nil && i.Mode()&os.ModeCharDevice != 0 {
		return Text
	}
	return JSON
}

// handler writes records of any level to w in the format.
func (f Format) handler(w io.Writer) slog.Handler {
	o := &slog.HandlerOptions{Level: slog.LevelDebug}
	switch f {
	case JSON:
		return slog.NewJSONHandler(w, o)
	case Journal:
		return newPrioritised(w)
	default:
		return slog.NewTextHandler(w, o)
	}
}

// prioritised writes each record behind its priority, a number of syslog(3): a handler for each.
type prioritised [4]slog.Handler

func newPrioritised(w io.Writer) (h prioritised) {
	o := &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return a
	}}
	for i, priority := range []string{"<7>", "<6>", "<4>", "<3>"} {
		h[i] = slog.NewTextHandler(prefixed{w, priority}, o)
	}
	return h
}

// of is the handler for a level.
func (h prioritised) of(level slog.Level) slog.Handler {
	switch {
	case level < slog.LevelInfo:
		return h[0]
	case level < slog.LevelWarn:
		return h[1]
	case level < slog.LevelError:
		return h[2]
	default:
		return h[3]
	}
}

// Enabled implements slog.Handler.
func (prioritised) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (h prioritised) Handle(ctx context.Context, r slog.Record) error {
	return h.of(r.Level).Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h prioritised) WithAttrs(attrs []slog.Attr) slog.Handler {
	for i := range h {
		h[i] = h[i].WithAttrs(attrs)
	}
	return h
}

// WithGroup implements slog.Handler.
func (h prioritised) WithGroup(name string) slog.Handler {
	for i := range h {
		h[i] = h[i].WithGroup(name)
	}
	return h
}

// prefixed writes lines behind a prefix.
type prefixed struct {
	w      io.Writer
	prefix string
}

// Write implements io.Writer: p is a line.
func (w prefixed) Write(p []byte) (int, error) {
	_, err := io.WriteString(w.w, w.prefix+strings.TrimSuffix(string(p), "\n")+"\n")
	return len(p), err
}
