package logging

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// reader is what a log is written to: it takes lines, hangs or fails as told.
type reader struct {
	mu   sync.Mutex
	b    bytes.Buffer
	fail error
	cut  int // bytes that are taken of the next line that fails
	hang chan struct{}
}

func (r *reader) Write(p []byte) (int, error) {
	if r.hang != nil {
		<-r.hang
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		n := min(r.cut, len(p))
		r.b.Write(p[:n])
		r.cut = 0
		return n, r.fail
	}
	return r.b.Write(p)
}

func (r *reader) set(fail error, cut int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail, r.cut = fail, cut
}

func (r *reader) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Split(strings.TrimSuffix(r.b.String(), "\n"), "\n")
}

// started is a log that is written in a bubble, and what ends it.
func started(r *reader) (*Log, *slog.Logger) {
	l := New(r, Text, Levels{})
	go l.Run()
	return l, slog.New(l.Handler())
}

// TestOneLineASecond: of lines of one text the first is written, and then one a
// second with the count of the others.
func TestOneLineASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reader
		l, log := started(&r)
		time.Sleep(time.Millisecond) // beside the ticker
		for i := range 400 {
			log.With("link", i).Warn("the link is not complete")
		}
		log.Error("the link is not complete")
		log.Warn("something else")
		synctest.Wait()
		if n := len(r.lines()); n != 3 {
			t.Errorf("%d lines at once, want one of each class: %q", n, r.lines())
		}
		for range 35 { // 3.5 s
			time.Sleep(100 * time.Millisecond)
			log.Warn("the link is not complete", "link", "late")
		}
		l.Close(time.Second)
		var got []string
		for _, line := range r.lines() {
			if strings.Contains(line, "level=WARN") && strings.Contains(line, "not complete") {
				_, rest, _ := strings.Cut(line, "complete\" ")
				got = append(got, rest)
			}
		}
		want := []string{"link=0", "link=late suppressed=408", "link=late suppressed=9", "link=late suppressed=9", "link=late suppressed=4"}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("lines %q, want %q", got, want)
		}
	})
}

// kept is how many classes of lines are told apart.
func kept(l *Log) int {
	l.limiter.mu.Lock()
	defer l.limiter.mu.Unlock()
	return len(l.limiter.classes)
}

// TestManyClasses: texts that are made up take a bounded memory.
func TestManyClasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reader
		l, log := started(&r)
		for i := range 10 * maxClasses {
			log.Warn(fmt.Sprint("text ", i))
		}
		if n := kept(l); n > maxClasses+1 {
			t.Errorf("%d classes are kept, want at most %d", n, maxClasses+1)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if n := kept(l); n != 0 {
			t.Errorf("%d classes are kept when nothing is logged", n)
		}
		l.Close(time.Second)
		if lines := r.lines(); !strings.Contains(lines[len(lines)-1], fmt.Sprintf("suppressed=%d", 9*maxClasses-2)) {
			t.Errorf("the last line is %q", lines[len(lines)-1])
		}
	})
}

// TestReaderHangs: nobody waits, memory is bounded, what is lost is counted and
// told in its place, and lines are taken again.
func TestReaderHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := reader{hang: make(chan struct{})}
		l, _ := started(&r)
		line := strings.Repeat("x", 99)
		const sent = 2 * maxQueued / 100
		for i := range sent {
			fmt.Fprintf(l, "%06d%s\n", i, line[:93])
		}
		synctest.Wait()
		if l.size > maxQueued {
			t.Errorf("%d bytes are queued, want at most %d", l.size, maxQueued)
		}
		lost := l.Lost()
		if lost < sent/3 || lost > 2*sent/3 {
			t.Errorf("%d of %d lines lost", lost, sent)
		}
		close(r.hang)
		synctest.Wait()
		fmt.Fprintln(l, "again")
		l.Close(time.Second)
		got := r.lines()
		kept := sent - int(lost)
		if len(got) != kept+2 || !strings.HasPrefix(got[kept-1], fmt.Sprintf("%06d", kept-1)) ||
			!strings.Contains(got[kept], fmt.Sprintf("lines=%d", lost)) || got[kept+1] != "again" {
			t.Errorf("%d lines of %d, the last are %q", len(got), sent, got[len(got)-2:])
		}
	})
}

// TestReaderFails: a pipe without reader or a full disk costs lines, no more, and
// the line after one that was cut begins anew.
func TestReaderFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reader
		l, _ := started(&r)
		fmt.Fprintln(l, "first")
		synctest.Wait()
		r.set(io.ErrClosedPipe, 3)
		fmt.Fprintln(l, "second")
		synctest.Wait()
		r.set(errors.New("no space left on device"), 0)
		fmt.Fprintln(l, "third")
		synctest.Wait()
		r.set(nil, 0)
		time.Sleep(2 * time.Second)
		fmt.Fprintln(l, "fourth")
		l.Close(time.Second)
		got := r.lines()
		if len(got) != 4 || got[0] != "first" || got[1] != "sec" || !strings.Contains(got[2], "lines=2") || got[3] != "fourth" {
			t.Errorf("the log is %q", got)
		}
		if l.Lost() != 2 {
			t.Errorf("%d lines lost, want 2", l.Lost())
		}
	})
}

// TestCloseIsBounded: the end waits for a reader that hangs, and not for ever.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := reader{hang: make(chan struct{})}
		l, log := started(&r)
		log.Info("ready")
		begin := time.Now()
		l.Close(time.Second)
		if took := time.Since(begin); took != time.Second {
			t.Errorf("it took %v", took)
		}
		close(r.hang)
	})
}
