package spin

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pipe is something to read from.
type pipe struct{ r, w int }

func newPipe(t *testing.T, all *watch) pipe {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[0]); unix.Close(p[1]) })
	if err := all.add(p[0]); err != nil {
		t.Fatal(err)
	}
	return pipe{p[0], p[1]}
}

func (p pipe) fill(t *testing.T) {
	t.Helper()
	if _, err := unix.Write(p.w, []byte{1}); err != nil {
		t.Fatal(err)
	}
}

func watching(t *testing.T) *watch {
	t.Helper()
	w, err := newWatch()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(w.epoll) })
	return w
}

// steps is a clock that each look advances.
func steps(step time.Duration) (now func() time.Duration, looks *int) {
	var at time.Duration
	looks = new(int)
	return func() time.Duration {
		*looks++
		at += step
		return at
	}, looks
}

func TestSpellLimit(t *testing.T) {
	w := watching(t)
	newPipe(t, w)
	spell := func(step time.Duration) int {
		clock, looks := steps(step)
		if found, _ := w.spell(20*time.Microsecond, clock); found {
			t.Fatal("found something in an empty pipe")
		}
		return *looks
	}
	if n := spell(time.Microsecond); n != 22 {
		t.Errorf("asked %d times what time it is in 20 us, want 22", n)
	}
	// Without success: 1, 3, 7, 15, 15 waits without spinning follow.
	for _, want := range []int{1, 3, 7, 15, 15} {
		for i := range want {
			if n := spell(time.Microsecond); n != 0 {
				t.Fatalf("wait %d of %d after a failure: %d looks, want none", i, want, n)
			}
		}
		if n := spell(time.Microsecond); n != 22 {
			t.Fatalf("after %d waits: %d looks, want 22", want, n)
		}
	}
}

// Other work on the processor ends it at once.
func TestSpellGivesWay(t *testing.T) {
	w := watching(t)
	clock, looks := steps(2 * foreignGap)
	if found, _ := w.spell(time.Second, clock); found || *looks != 2 {
		t.Errorf("%d looks with 200 us between them, want 2", *looks)
	}
	if found, _ := w.spell(time.Second, clock); found || *looks != 2 {
		t.Error("spins right after that")
	}
}

// What comes for any reader ends the spell, and the penalty of those before.
func TestSpellFinds(t *testing.T) {
	w := watching(t)
	w.penalty = maxSkip
	first, second := newPipe(t, w), newPipe(t, w)
	clock, _ := steps(time.Microsecond)
	var got []int32
	for _, p := range []pipe{second, first} {
		p.fill(t)
		found, fd := w.spell(time.Millisecond, clock)
		if !found {
			t.Fatal("nothing found")
		}
		got = append(got, fd)
		if _, err := unix.Read(p.r, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if want := []int32{int32(second.r), int32(first.r)}; !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	if w.penalty != 0 {
		t.Errorf("penalty %d after success, want 0", w.penalty)
	}
}

func TestSpinnerOffInStream(t *testing.T) {
	for _, tt := range []struct {
		name          string
		frames, bytes int
		want          bool // spins
	}{
		{"one small frame", 1, 128, true},
		{"several frames", 2, 256, false},
		{"superframe", 1, 60_000, false},
	} {
		w := watching(t)
		s := Spinner{limit: time.Millisecond, all: w}
		s.Done(tt.frames, tt.bytes)
		at := w.now()
		now, looks := steps(time.Microsecond)
		w.spell(s.limit, func() time.Duration { return at + now() })
		if *looks > 1 != tt.want {
			t.Errorf("%s: %d looks", tt.name, *looks)
		}
		w.skip = 0
		w.spell(s.limit, func() time.Duration { return at + streamPause + now() })
		if *looks < 2 {
			t.Errorf("%s: no spinning when the stream is over", tt.name)
		}
	}
}

func TestSpinner(t *testing.T) {
	never, err := New(-1, 0)
	if err != nil || never.Again() {
		t.Errorf("spins although no limit was given: %v", err)
	}
	all, err := process()
	if err != nil {
		t.Fatal(err)
	}
	mine, other := newPipe(t, watching(t)), newPipe(t, watching(t))
	var s, o Spinner
	for _, v := range []struct {
		s *Spinner
		p pipe
	}{{&s, mine}, {&o, other}} {
		if *v.s, err = New(v.p.r, time.Second); err != nil {
			t.Fatal(err)
		}
	}
	mine.fill(t)
	if !s.Again() {
		t.Error("waits although there is something to read")
	}
	if o.Again() {
		t.Error("looks again although what came is another reader's")
	}
	all.taken.Store(true)
	if s.Again() {
		t.Error("two readers spin")
	}
	all.taken.Store(false)
	if _, err := New(-1, time.Second); err == nil {
		t.Error("a descriptor that is none is no error")
	}
}
