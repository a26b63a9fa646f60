package cli

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/internal/config"
)

// TestReadingHangs: a file system that does not answer keeps nobody, however often
// the file is asked for; what it brings late is not taken for the file of then.
func TestReadingHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := map[string]*config.File{"old": {}, "new": {}}
		var now atomic.Pointer[config.File] // what the file says
		var began atomic.Int32
		now.Store(files["old"])
		hangs := make(chan struct{})
		r := fileReading{name: "f", log: slog.New(slog.DiscardHandler), read: func(string) (*config.File, error) {
			began.Add(1)
			read := now.Load()
			<-hangs
			return read, nil
		}}
		for range 3 {
			start := time.Now()
			if _, err := r.now(t.Context()); err == nil || !strings.Contains(err.Error(), "f is being read for 10s and longer: see whether") {
				t.Errorf("a file that hangs: %v", err)
			}
			if took := time.Since(start); took != readTime {
				t.Errorf("it took %v", took)
			}
		}
		if n := began.Load(); n != 1 {
			t.Errorf("%d readings at a time", n)
		}
		ended, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := r.now(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("a daemon that ends: %v", err)
		}
		now.Store(files["new"])
		close(hangs)
		if f, err := r.now(t.Context()); err != nil || f != files["new"] || began.Load() != 2 {
			t.Errorf("when it answers: %v, the new one: %t, %d readings", err, f == files["new"], began.Load())
		}
	})
}

// TestReadingPanics: a fault in the reader is an error of the reading.
func TestReadingPanics(t *testing.T) {
	r := fileReading{name: "f", log: slog.New(slog.DiscardHandler), read: func(string) (*config.File, error) { panic("fault") }}
	if _, err := r.now(t.Context()); err == nil || !strings.Contains(err.Error(), "a fault of uvtep") {
		t.Errorf("a reader that panics: %v", err)
	}
}
