// Package fault confines a panic to the part that panicked. A panic is a fault of this
// program, whatever a tenant or an operator sent: it is logged with its stack and
// counted, and all other parts go on. Go's fatal errors, such as two writers of a map, end
// the process all the same.
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

// Catch calls fn and reports whether it panicked. what names the part in the log.
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
	// calm is how long a part must run before its next panic counts as the first.
	calm = time.Minute
)

// Restart calls run, and calls it again after each panic, until it returns. run starts with
// fresh state. rest waits, and reports false where run must not start again.
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
