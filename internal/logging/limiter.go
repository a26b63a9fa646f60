package logging

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// every is the least time between two lines of one class.
const every = time.Second

// maxClasses bounds the classes that are distinguished within that time. All texts are
// constants, except for those that a library makes.
const maxClasses = 256

// class is what lines that are limited together have in common.
type class struct {
	text  string
	level slog.Level
}

// limiter writes the first line of each class, and then one a second: the latest, with the
// count of the lines before it that were left out.
type limiter struct {
	mu      sync.Mutex
	classes map[class]*latest
}

// latest has the lines of a class since the last that was written.
type latest struct {
	written time.Time
	held    int // lines since then
	record  slog.Record
	by      slog.Handler // of record, with the attributes that it was given
}

// take reports whether a line is to be written, and how many were left out before it. Else
// the line is held until flush.
func (l *limiter) take(by slog.Handler, r *slog.Record) (suppressed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := class{r.Message, r.Level}
	if l.classes[c] == nil && len(l.classes) >= maxClasses {
		c.text = ""
	}
	k := l.classes[c]
	if k == nil {
		k = new(latest)
		l.classes[c] = k
	}
	if !k.written.IsZero() && r.Time.Sub(k.written) < every {
		k.held++
		k.record, k.by = r.Clone(), by
		return 0, false
	}
	suppressed = k.held
	*k = latest{written: r.Time}
	return suppressed, true
}

// flush writes, of each class, the latest line that was held long enough.
func (l *limiter) flush(now time.Time) {
	var due []latest
	l.mu.Lock()
	for c, k := range l.classes {
		switch {
		case now.Sub(k.written) < every:
		case k.held == 0:
			delete(l.classes, c)
		default:
			due = append(due, *k)
			*k = latest{written: now}
		}
	}
	l.mu.Unlock()
	for i := range due {
		_ = write(context.Background(), due[i].by, due[i].record, due[i].held-1) // the queue takes everything
	}
}

// write writes a record with the count of those that were left out.
func write(ctx context.Context, to slog.Handler, r slog.Record, suppressed int) error {
	if suppressed > 0 {
		r.AddAttrs(slog.Int("suppressed", suppressed))
	}
	return to.Handle(ctx, r)
}

// limited is a handler that asks a limiter.
type limited struct {
	limiter *limiter
	next    slog.Handler
}

// Enabled implements slog.Handler.
func (h limited) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h limited) Handle(ctx context.Context, r slog.Record) error {
	suppressed, ok := h.limiter.take(h.next, &r)
	if !ok {
		return nil
	}
	if suppressed > 0 {
		r = r.Clone() // its attributes may be the caller's memory
	}
	return write(ctx, h.next, r, suppressed)
}

// WithAttrs implements slog.Handler.
func (h limited) WithAttrs(attrs []slog.Attr) slog.Handler {
	return limited{h.limiter, h.next.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h limited) WithGroup(name string) slog.Handler {
	return limited{h.limiter, h.next.WithGroup(name)}
}
