package cli

import (
	"os"
	"runtime"
	"runtime/debug"
)

// gcPercent keeps the heap near what is in use (the runtime keeps another tenth): the data path allocates nothing,
// so that a collection is rare whatever it is set to.
const gcPercent = 10

// setRuntime fits Go's runtime to the data path, where $GOMAXPROCS and $GOGC do
// not say otherwise.
//
// Half of the processors, rounded down, are left to the rest of the host: the
// stack on both sides of the VTEP needs them, and a goroutine that wakes on another
// processor than its data is in costs more than it saves
// (docs/decisions/0003-waiting.md).
func setRuntime() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS((runtime.GOMAXPROCS(0) + 1) / 2)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
