// Package fault keeps a panic to what panicked. A panic is a fault of this
// program, whatever a tenant or an operator sent: it is logged with its stack and
// counted, and everything else goes on. What the runtime ends a process for, such
// as two writers of a map, cannot be caught.
package fault

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"
)

//nolint:gochecknoglobals // of the process, like the goroutines
var caught atomic.Uint64

// Caught is how many panics were caught since the process began.
func Caught() uint64 { return caught.Load() }

// Catch calls fn and reports whether it panicked. what says in the log who that
// was.
func Catch(log *slog.Logger, what string, fn func()) (panicked bool) {
	defer func() {
		if v := recover(); v != nil {
			panicked = true
			Note(log, what, v)
		}
	}()
	fn()
	return false
}

// Note logs and counts v, which recover gave in the function that is unwound.
func Note(log *slog.Logger, what string, v any) {
	caught.Add(1)
	log.Error("a fault of uvtep was caught, please report it", "in", what, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
}

// How long a part that panicked rests before it starts again: longer each time, so
// that a fault that stays costs no processor.
const (
	firstRest = 10 * time.Millisecond
	maxRest   = time.Second
	// calm is how long it runs until its next panic counts as the first.
	calm = time.Minute
)

// Restart calls run until it returns by itself, again after each panic. run starts
// with fresh state. rest waits, and is false where nothing is to start any more.
func Restart(log *slog.Logger, what string, rest func(time.Duration) bool, run func()) {
	for wait := firstRest; ; wait = min(2*wait, maxRest) {
		began := time.Now()
		if !Catch(log, what, run) {
			return
		}
		if time.Since(began) >= calm {
			wait = firstRest
		}
		if !rest(wait) {
			return
		}
	}
}
