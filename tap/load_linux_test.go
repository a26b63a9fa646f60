package tap

import (
	"encoding/json"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Environment of the process that makes a load: its kind, "tcp", "rtt" or the
// payload of datagrams in bytes, and how long it lasts.
const (
	loadEnv     = "TAP_LOAD"
	loadTimeEnv = "TAP_LOAD_TIME"
)

// loadResult is what the load process prints.
type loadResult struct {
	Received int64 // bytes of TCP, or datagrams
	Took     time.Duration
	P50, P99 time.Duration // of round trips
}

// TestLoadProcess is no test: it is the process that sends and receives what
// crosses the TAPs, so that it shares no scheduler with their readers. It has
// the two sockets as descriptors 3 and 4.
func TestLoadProcess(t *testing.T) {
	kind := os.Getenv(loadEnv)
	if kind == "" {
		t.Skip("runs only as the child of a benchmark")
	}
	d, err := time.ParseDuration(os.Getenv(loadTimeEnv))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range []int{3, 4} {
		// A lost datagram or a peer that ended must not hold the process up.
		for _, opt := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
			if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, opt, &unix.Timeval{Usec: 50_000}); err != nil {
				t.Fatal(err)
			}
		}
		if err := unix.SetNonblock(fd, false); err != nil {
			t.Fatal(err)
		}
	}
	var r loadResult
	switch kind {
	case "rtt":
		r = loadRoundTrips(d)
	case "tcp":
		r = loadStream(d, make([]byte, 128<<10), true)
	default:
		size, err := strconv.Atoi(kind)
		if err != nil {
			t.Fatal(err)
		}
		r = loadStream(d, make([]byte, size), false)
	}
	if err := json.NewEncoder(os.Stderr).Encode(r); err != nil {
		t.Fatal(err)
	}
}

// loadStream sends from 3 to 4 as fast as it goes.
func loadStream(d time.Duration, chunk []byte, stream bool) loadResult {
	var (
		end atomic.Bool
		wg  sync.WaitGroup
		r   loadResult
	)
	wg.Go(func() {
		for !end.Load() {
			_, _ = unix.Write(3, chunk)
		}
	})
	b := make([]byte, 256<<10)
	start := time.Now()
	for r.Took < d {
		n, err := unix.Read(4, b)
		switch {
		case err != nil:
		case stream:
			r.Received += int64(n)
		default:
			r.Received++
		}
		r.Took = time.Since(start)
	}
	end.Store(true)
	wg.Wait()
	return r
}

// loadRoundTrips sends a small datagram there and back, one at a time.
func loadRoundTrips(d time.Duration) loadResult {
	var (
		end atomic.Bool
		wg  sync.WaitGroup
		all []time.Duration
	)
	wg.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		b := make([]byte, 64)
		for !end.Load() {
			if n, err := unix.Read(4, b); err == nil {
				_, _ = unix.Write(4, b[:n])
			}
		}
	})
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b := make([]byte, 18)
	for start := time.Now(); time.Since(start) < d || len(all) == 0; {
		at := time.Now()
		_, _ = unix.Write(3, b)
		if _, err := unix.Read(3, b); err == nil {
			all = append(all, time.Since(at))
		}
	}
	end.Store(true)
	wg.Wait()
	slices.Sort(all)
	return loadResult{Received: int64(len(all)), P50: all[len(all)/2], P99: all[len(all)*99/100]}
}
