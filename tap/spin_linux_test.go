package tap

import (
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
)

// A spinning reader gets frames, and Close ends it in the midst of a spell.
func TestSpinningReader(t *testing.T) {
	h := onHost(t)
	d := mustOpen(t, Config{Spin: time.Hour})
	mustSet(t, d, Change{Up: new(true)})
	s := packets(t, h, d)
	got := make(chan error)
	go func() {
		frames := make([]encap.Frame, 4)
		for {
			_, err := d.ReadBatch(0, frames)
			got <- err
			if err != nil {
				return
			}
		}
	}()
	for i := range 3 {
		if err := s.Send(testFrame(60, uint32(i))); err != nil {
			t.Fatal(err)
		}
		if err := <-got; err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err == nil {
		t.Error("a frame after Close")
	}
}
