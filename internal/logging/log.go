// Package logging is the daemon's log, which holds nobody up: lines are queued
// without waiting and written by Run, so that whoever reads the log may hang or
// die; and of lines with the same text there is one a second, with the count of
// those that were left out.
package logging

import (
	"io"
	"log/slog"
	"time"
)

// Log is a log that is written by Run. It is an io.Writer for lines that are no
// records, in order with them.
type Log struct {
	*queue
	limiter limiter
}

// New makes a log that goes to out, which nobody but Run writes to.
func New(out io.Writer) *Log {
	return &Log{queue: newQueue(out), limiter: limiter{classes: make(map[class]*latest)}}
}

// Handler is for records. Records of one text and level are limited.
func (l *Log) Handler() slog.Handler { return limited{&l.limiter, l.Unlimited()} }

// Unlimited is for records of which each is an answer to what the operator did,
// such as the mistakes in a file.
func (l *Log) Unlimited() slog.Handler { return slog.NewTextHandler(l.queue, nil) }

// Run writes what is logged until Close is called.
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

// Close has Run write what is left and end, for which it waits for so long and
// no longer: a reader that hangs is left behind.
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
