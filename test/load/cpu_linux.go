package load

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// userHZ is the unit of /proc/stat: USER_HZ is 100 on every architecture that Go runs on.
const userHZ = 100

// busy returns how long the machine's CPUs have worked since it booted: user, nice, system, hard and soft interrupts.
// It is of the machine, whoever else works on it.
func busy() (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseBusy(string(b))
}

func parseBusy(stat string) (time.Duration, error) {
	first, _, _ := strings.Cut(stat, "\n")
	f := strings.Fields(first) // cpu user nice system idle iowait irq softirq steal ... (proc(5))
	if len(f) < 8 || f[0] != "cpu" {
		return 0, fmt.Errorf("load: /proc/stat begins with %q", first)
	}
	var ticks uint64
	for _, i := range []int{1, 2, 3, 6, 7} {
		n, err := strconv.ParseUint(f[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("load: /proc/stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / userHZ, nil
}
