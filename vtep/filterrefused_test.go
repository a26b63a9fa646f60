package vtep_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// refusingHost is one whose kernel takes no filter.
type refusingHost struct{ vtep.Host }

var errNoFilter = errors.New("takes CAP_BPF")

func (refusingHost) NewFilter() (*underlay.Filter, error) { return nil, errNoFilter }

// TestFilterRefused: without the kernel's filter a link works, says why it is not in use, and the log does once; switched
// off, it is not asked for.
func TestFilterRefused(t *testing.T) {
	for _, off := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var log lockedBuffer
			v := vtep.New(vtep.Config{
				Host: refusingHost{vteptest.NewNetwork().Host(addrA)}, Log: slog.New(slog.NewTextHandler(&log, nil)),
				NoOffload: vtep.NoOffload{Filter: off},
			})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- v.Run(ctx) }()
			if err := v.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 42, Local: addrA, Remote: addrB}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
			i, err := v.Link("vxlan0")
			want, told := errNoFilter.Error(), 1
			if off {
				want, told = "switched off", 0
			}
			if f := i.Offloads.Filter; err != nil || f.On || f.Reason != want {
				t.Errorf("filter %+v, %v; want it off because %s", f, err, want)
			}
			if n := strings.Count(log.String(), errNoFilter.Error()); n != told {
				t.Errorf("told %d times, want %d: %s", n, told, log.String())
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}
