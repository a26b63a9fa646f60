// Package logging is the daemon's log. Logging never waits: lines are queued, and Run writes
// them, so that the process that reads the log may hang or die. Of lines with the same text
// one a second is written, with the count of those that were left out.
package logging

import (
	"io"
	"log/slog"
	"time"
)

// Log is a log that Run writes. It is an io.Writer as well, for lines that are no records;
// they keep their order among the records.
type Log struct {
	*queue
	levels  Levels
	limiter limiter
}

// New makes a log in a format, with lines from levels on. Only Run writes to out.
func New(out io.Writer, format Format, levels Levels) *Log {
	return &Log{queue: newQueue(out, format), levels: levels, limiter: limiter{classes: make(map[class]*latest)}}
}

// Handler is for records, with those of one text and level limited.
func (l *Log) Handler() slog.Handler { return limited{&l.limiter, l.Unlimited()} }

// Of logs lines of a class, limited.
func (l *Log) Of(class string) *slog.Logger {
	return slog.New(l.Handler()).With(ClassKey, class)
}

// Unlimited is for records that answer an operator, such as the mistakes in a file.
func (l *Log) Unlimited() slog.Handler {
	return leveled{next: l.format.handler(l.queue), levels: l.levels, least: l.levels.other}
}

// Run writes the lines until Close is called.
func (l *Log) Run() {
	defer close(l.done)
	second := time.NewTicker(every)
	defer second.Stop()
	for {
		l.writeAll()
		select {
		case <-l.wake:
		case now := <-second.C:
			l.limiter.flush(now)
		case <-l.closing:
			l.limiter.flush(time.Now().Add(every))
			l.writeAll()
			return
		}
	}
}

// Close makes Run write what is queued and end, and waits for that at most so long: a reader
// of the log may hang.
func (l *Log) Close(wait time.Duration) {
	close(l.closing)
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-l.done:
	case <-t.C:
	}
}

// Lost is how many lines could not be written so far.
func (l *Log) Lost() uint64 { return l.total.Load() }
