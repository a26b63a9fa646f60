package tap

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
)

func TestMove(t *testing.T) {
	home := onHost(t)
	d := mustOpen(t, Config{Name: "vxlan0", MAC: hostMAC})
	d.lookEvery = time.Hour // events must do
	o := observe(t, d)
	here := <-o.states
	// The index is taken over there, so the netdev gets another.
	var squatter *Device
	away := newHost(t, home.Lab(), "away")
	check(t, away.Do(func() error {
		for squatter == nil || mustState(t, squatter).Index < here.Index {
			squatter = mustOpen(t, Config{})
		}
		return nil
	}))
	check(t, home.MoveLink("vxlan0", away))
	moved := o.expect(t, "move", func(s State) bool { return s.Namespace != here.Namespace })
	if moved.Namespace != mustState(t, squatter).Namespace || moved.Index == here.Index || moved.Name != "vxlan0" {
		t.Errorf("after the move: %+v", moved)
	}
	if s := mustState(t, d); s != moved {
		t.Errorf("State %+v, Watch %+v", s, moved)
	}

	mustSet(t, d, Change{Up: new(true), MTU: new(1400)})
	o.expect(t, "up and MTU over there", func(s State) bool { return s.Up && s.MTU == 1400 && s.Namespace == moved.Namespace })
	mustSet(t, d, Change{Name: "eth0"})
	o.expect(t, "rename over there", func(s State) bool { return s.Name == "eth0" })
	trafficIn(t, d, away)

	// Once more, out of a namespace that is not ours, and home again.
	third := newHost(t, home.Lab(), "third")
	check(t, away.MoveLink("eth0", third))
	far := o.expect(t, "second move", func(s State) bool {
		return s.Namespace != here.Namespace && s.Namespace != moved.Namespace
	})
	mustSet(t, d, Change{MTU: new(1300), Up: new(true)})
	o.expect(t, "MTU there", func(s State) bool { return s.MTU == 1300 && s.Namespace == far.Namespace })
	check(t, third.MoveLink("eth0", home))
	o.expect(t, "the way home", func(s State) bool { return s.Namespace == here.Namespace })
	mustSet(t, d, Change{Up: new(true)})
	trafficIn(t, d, home)
}

// trafficIn checks that frames pass in both directions while the netdev of d
// is on h.
func trafficIn(t *testing.T, d *Device, h *lab.Host) {
	t.Helper()
	s := packets(t, h, d)
	want := testFrame(100, 42)
	check(t, s.Send(want))
	readOne(t, d, func(f *encap.Frame) bool { return bytes.Equal(f.Data, want) })
	back := testFrame(100, 43)
	if n, err := d.WriteBatch(0, []encap.Frame{{Data: back}}); n != 1 || err != nil {
		t.Fatalf("WriteBatch: %d, %v", n, err)
	}
	seen(t, s, back)
}

// The namespace dies with the device in it, as when a container ends: watching
// it does not keep it alive, and Watch says so, although nobody reads.
func TestNamespaceDies(t *testing.T) {
	home := onHost(t)
	d := mustOpen(t, Config{Name: "vxlan0"})
	d.lookEvery = time.Hour // events must do
	o := observe(t, d)
	here := <-o.states
	away := newHost(t, home.Lab(), "away")
	check(t, home.MoveLink("vxlan0", away))
	o.expect(t, "move", func(s State) bool { return s.Namespace != here.Namespace })
	if err := away.Abandon(); err != nil {
		t.Fatal(err)
	}
	if err := o.end(t); !errors.Is(err, ErrGone) {
		t.Errorf("Watch: %v, want ErrGone", err)
	}
	expectGone(t, d)
}

// Without CAP_NET_BROADCAST no event comes from another namespace: Watch looks.
func TestMoveWithoutBroadcast(t *testing.T) {
	home := onHost(t)
	drop(t, unix.CAP_NET_BROADCAST)
	d := mustOpen(t, Config{Name: "vxlan0"})
	d.lookEvery = 20 * time.Millisecond
	o := observe(t, d)
	here := <-o.states
	away := newHost(t, home.Lab(), "away")
	check(t, home.MoveLink("vxlan0", away))
	o.expect(t, "move", func(s State) bool { return s.Namespace != here.Namespace })
	mustSet(t, d, Change{MTU: new(1400)})
	o.expect(t, "MTU", func(s State) bool { return s.MTU == 1400 })
	if err := away.Abandon(); err != nil {
		t.Fatal(err)
	}
	if err := o.end(t); !errors.Is(err, ErrGone) {
		t.Errorf("Watch: %v, want ErrGone", err)
	}
}
