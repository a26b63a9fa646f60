package vteptest

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep"
)

// opened is a netdev with its port, and what deletes it behind their back.
type opened struct {
	vtep.Port
	vtep.Netdev
	remove func() error
}

// TestNetdev checks what vtep.Netdev promises, and of its vtep.Port what follows from the
// netdev's state. open makes a netdev, down, and a function that deletes it behind the
// port's back.
func TestNetdev(t *testing.T, open func(t testing.TB) (p vtep.Port, d vtep.Netdev, remove func() error)) {
	opens := func(t testing.TB) opened {
		p, d, remove := open(t)
		return opened{p, d, remove}
	}
	t.Run("set and watch", func(t *testing.T) {
		d := opens(t)
		testSetWatch(t, d)
	})
	t.Run("down", func(t *testing.T) {
		d := opens(t)
		n, err := d.WriteBatch(0, numberedFrames(0, 2, 64))
		if n != 0 || !errors.Is(err, tap.ErrDown) {
			t.Errorf("WriteBatch while down: %d, %v, want tap.ErrDown", n, err)
		}
	})
	t.Run("deleted", func(t *testing.T) {
		testDeleted(t, opens(t))
	})
	t.Run("closed", func(t *testing.T) {
		d := opens(t)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := d.State(); err == nil {
			t.Error("State of a closed netdev: no error")
		}
		up := true
		if err := d.Set(tap.Change{Up: &up}); err == nil {
			t.Error("Set of a closed netdev: no error")
		}
		if err := d.Watch(t.Context(), func(tap.State) {}); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Watch of a closed netdev: %v, want os.ErrClosed", err)
		}
	})
}

// watching runs Watch until the test ends.
func watching(t *testing.T, d vtep.Netdev) (states <-chan tap.State, end context.CancelFunc, result <-chan error) {
	t.Helper()
	seen, done := make(chan tap.State, 64), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go func() { done <- d.Watch(ctx, func(s tap.State) { seen <- s }) }()
	return seen, cancel, done
}

// awaitState waits until Watch tells of a state that fits.
func awaitState(t *testing.T, states <-chan tap.State, what string, fits func(tap.State) bool) {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case s := <-states:
			if fits(s) {
				return
			}
		case <-timeout:
			t.Fatalf("Watch did not tell: %s", what)
		}
	}
}

// awaitResult waits for the end of Watch.
func awaitResult(t *testing.T, result <-chan error) error {
	t.Helper()
	select {
	case err := <-result:
		return err
	case <-time.After(patience):
		t.Fatal("Watch did not end")
		return nil
	}
}

// testSetWatch: what Set does State shows at once, and Watch soon.
func testSetWatch(t *testing.T, d vtep.Netdev) {
	t.Helper()
	states, cancel, result := watching(t, d)
	awaitState(t, states, "the state at the start", func(s tap.State) bool { return !s.Up && s.Name != "" && s.Index != 0 })
	up, mtu, mac := true, 1234, encap.MAC{0x02, 0, 0, 0, 0x12, 0x34}
	for _, step := range []struct {
		what string
		set  tap.Change
		fits func(tap.State) bool
	}{
		{"mtu", tap.Change{MTU: &mtu}, func(s tap.State) bool { return s.MTU == mtu }},
		{"mac", tap.Change{MAC: &mac}, func(s tap.State) bool { return s.MAC == mac }},
		{"up", tap.Change{Up: &up}, func(s tap.State) bool { return s.Up }},
	} {
		if err := d.Set(step.set); err != nil {
			t.Fatalf("Set %s: %v", step.what, err)
		}
		if s, err := d.State(); err != nil || !step.fits(s) {
			t.Errorf("State after Set %s: %+v, %v", step.what, s, err)
		}
		awaitState(t, states, step.what, step.fits)
	}
	tooSmall := 20
	if err := d.Set(tap.Change{MTU: &tooSmall}); err == nil {
		t.Error("an MTU of 20 was taken")
	}
	if s, err := d.State(); err != nil || s.MTU != mtu {
		t.Errorf("State after a Set that was refused: %+v, %v", s, err)
	}
	cancel()
	if err := awaitResult(t, result); err != nil {
		t.Errorf("Watch ended by its context: %v, want nil", err)
	}
}

// testDeleted: everybody who uses a deleted netdev is told tap.ErrGone.
func testDeleted(t *testing.T, d opened) {
	t.Helper()
	up := true
	if err := d.Set(tap.Change{Up: &up}); err != nil {
		t.Fatal(err)
	}
	states, _, result := watching(t, d)
	awaitState(t, states, "up", func(s tap.State) bool { return s.Up })
	read := make(chan error, 1)
	go func() {
		for {
			if _, err := d.ReadBatch(0, make([]encap.Frame, 4)); err != nil {
				read <- err
				return
			}
		}
	}()
	time.Sleep(20 * time.Millisecond) // let the reader wait
	if err := d.remove(); err != nil {
		t.Fatal(err)
	}
	if err := awaitResult(t, result); !errors.Is(err, tap.ErrGone) {
		t.Errorf("Watch of a deleted netdev: %v, want tap.ErrGone", err)
	}
	if err := awaitResult(t, read); !errors.Is(err, tap.ErrGone) {
		t.Errorf("the reader of a deleted netdev was given %v, want tap.ErrGone", err)
	}
	if n, err := d.WriteBatch(0, numberedFrames(0, 1, 64)); n != 0 || err == nil {
		t.Errorf("WriteBatch to a deleted netdev: %d, %v, want an error", n, err)
	}
	if _, err := d.State(); !errors.Is(err, tap.ErrGone) {
		t.Errorf("State of a deleted netdev: %v, want tap.ErrGone", err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("Close of a deleted netdev: %v", err)
	}
}
