package tap

import (
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
	"golang.org/x/sys/unix"
)

// A spinning reader gets frames, and Close ends it in the midst of a spell.
func TestSpinningReader(t *testing.T) {
	privateNetns(t)
	d := mustOpen(t, Config{Spin: time.Hour})
	mustSet(t, d, Change{Up: new(true)})
	s := packetSocket(t, mustState(t, d).Index)
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
		if _, err := unix.Write(s, testFrame(60, uint32(i))); err != nil {
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
