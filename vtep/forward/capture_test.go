package forward

import (
	"bytes"
	"slices"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// captured turns a capture of everything on, and gives what reads it.
func (s *setting) captured(f CaptureFilter) func() []Record {
	c, batch := NewCapture(s.plane, f, 64, 1<<16)
	all := []*Capture{c}
	s.state(func(st *State) { st.Captures = all })
	s.plane.Captures.Store(&all)
	s.link.Remotes.Each(func(r *Remote) {
		if b := r.Bypass.Load(); b != nil {
			st := *b.To.State.Load()
			st.Captures = all
			b.To.State.Store(&st)
		}
	})
	return func() []Record {
		c.Read(batch)
		return batch.Records
	}
}

// TestCaptureSeesEachFate: each frame that the data path drops is captured once, with the
// reason, each copy that it sends once, and each that a port gets once, as it went.
func TestCaptureSeesEachFate(t *testing.T) {
	for _, sc := range append(scenes(), portRefuses()) {
		t.Run(sc.reason.String()+" "+sc.name, func(t *testing.T) {
			s := newSetting(t, &sc)
			read := s.captured(CaptureFilter{})
			s.play(&sc)
			records := read()
			var dropped []DropReason
			var out, in [][]byte
			for _, r := range records {
				switch {
				case r.Dropped && r.Reason == RxPort: // that the frame came was told before
					dropped = append(dropped, r.Reason)
				case r.Dropped:
					dropped = append(dropped, r.Reason)
					if r.Reason >= TxTooBig && r.Reason <= TxRefused {
						out = append(out, r.Frame.Data) // it was given to the network, which did not take it
					}
				case r.Way == FromPort && r.Behind == "":
					out = append(out, r.Frame.Data)
				case r.Way != FromPort && sc.reason != RxPort:
					in = append(in, r.Frame.Data)
				}
				if r.Reason == TxUnknownVLAN && (r.Frame.VLAN != 11 || !bytes.Equal(r.Frame.Data, usual)) {
					t.Errorf("the frame of VLAN 11 is %+v", r.Frame)
				}
				if r.Link == "" && r.Reason != TxUnknownVLAN && r.Reason != RxShortHeader && r.Reason != RxNoVNIFlag && r.Reason != RxUnknownVNI {
					t.Errorf("no link is said to have %+v", r)
				}
			}
			if got := s.counted(); !slices.Equal(dropped, got) {
				t.Errorf("captured %v, counted %v", dropped, got)
			}
			var sent [][]byte
			for _, p := range s.net.sent {
				sent = append(sent, p.Frame.Data)
			}
			if !slices.EqualFunc(out, sent, bytes.Equal) {
				t.Errorf("captured %x, sent %x", out, sent)
			}
			if !slices.EqualFunc(in, s.port.frames, bytes.Equal) && sc.reason != RxPort {
				t.Errorf("captured %x, the port has %x", in, s.port.frames)
			}
		})
	}
}

// refusingPort takes no frame.
type refusingPort struct{ *keptPort }

func (refusingPort) WriteBatch(int, []encap.Frame) (int, error) { return 0, nil }

func portRefuses() scene {
	return scene{reason: RxPort, heard: from(peerA, 42, ipFrame(here, there, 100)), before: func(_ *testing.T, s *setting) {
		s.state(func(st *State) { st.Port = refusingPort{s.port} })
	}}
}

// TestCaptureFilter: drops, a remote and a MAC address each select.
func TestCaptureFilter(t *testing.T) {
	for name, tt := range map[string]struct {
		f    CaptureFilter
		want int
	}{
		"all": {want: 3}, "drops": {CaptureFilter{Drops: true}, 1}, "remote": {CaptureFilter{Remote: peerA}, 2},
		"mac": {CaptureFilter{MAC: encap.MAC{2, 8}}, 1}, "none": {CaptureFilter{MAC: encap.MAC{2, 77}}, 0},
	} {
		s := newSetting(t, &scene{})
		read := s.captured(tt.f)
		s.play(&scene{frame: encap.Frame{Data: usual}})                             // to peerA
		s.play(&scene{heard: from(peerA, 42, ipFrame(here, encap.MAC{2, 8}, 100))}) // from it
		s.play(&scene{heard: from(peerB, 42, ipFrame(here, there, 100))})           // a static address
		if got := read(); len(got) != tt.want {
			t.Errorf("%s: %d records, want %d", name, len(got), tt.want)
		}
	}
}

// TestCaptureLosesRecordsNotFrames: what finds no room in a capture is counted, and goes its
// way as without a capture.
func TestCaptureLosesRecordsNotFrames(t *testing.T) {
	s := newSetting(t, &scene{})
	c, batch := NewCapture(s.plane, CaptureFilter{}, 100, 1000)
	s.state(func(st *State) { st.Captures = []*Capture{c} })
	for range 30 {
		s.play(&scene{frame: encap.Frame{Data: usual}})
	}
	if len(s.net.sent) != 30 {
		t.Errorf("%d packets left, want 30", len(s.net.sent))
	}
	c.Read(batch)
	if len(batch.Records) != 10 || batch.Lost != 20 {
		t.Errorf("%d records and %d lost, want 10 and 20", len(batch.Records), batch.Lost)
	}
	for _, r := range batch.Records {
		if !bytes.Equal(r.Frame.Data, usual) {
			t.Errorf("%x", r.Frame.Data)
		}
	}
	s.play(&scene{frame: encap.Frame{Data: usual}})
	if c.Read(batch); len(batch.Records) != 1 || batch.Lost != 0 {
		t.Errorf("then %d records and %d lost", len(batch.Records), batch.Lost)
	}
}

// TestCapturedSegments: segments that would be joined without a look at each are captured one
// by one.
func TestCapturedSegments(t *testing.T) {
	s := newSetting(t, &scene{})
	s.state(func(st *State) { st.Join = true })
	read := s.captured(CaptureFilter{})
	d := from(peerA, 42, ipFrame(here, there, 100))
	w := NewNetWorker(s.ep, 0)
	var batch []encap.Datagram
	for range 5 {
		e := *d
		e.Payload = bytes.Clone(d.Payload)
		batch = append(batch, e)
	}
	w.Forward(batch, s.plane.Now())
	if got := read(); len(got) != 5 {
		t.Errorf("%d records of 5 packets", len(got))
	}
}

// TestCaptureAllocatesNothing: neither with a capture that keeps, nor with one that is full.
func TestCaptureAllocatesNothing(t *testing.T) {
	s := newSetting(t, &scene{})
	s.port = nil
	s.state(func(st *State) { st.Port = sinkPort{}; st.TX = [2]Transmitter{sinkTX{}, sinkTX{}} })
	c, _ := NewCapture(s.plane, CaptureFilter{}, 100, 1<<20)
	s.state(func(st *State) { st.Captures = []*Capture{c} })
	frames, w := []encap.Frame{{Data: usual}}, NewPortWorker(s.link, 0)
	noAllocs(t, "from the port", func(now fdb.Tick) { w.Forward(frames, now) })
	d, n := []encap.Datagram{*from(peerA, 42, ipFrame(here, there, 100))}, NewNetWorker(s.ep, 0)
	noAllocs(t, "from the underlay", func(now fdb.Tick) { n.Forward(d, now) })
}

// sinkTX sends everything to nobody.
type sinkTX struct{}

func (sinkTX) WriteBatch([]encap.Packet) error { return nil }
func (sinkTX) PathMTU(encap.Addr) (int, bool)  { return 0, false }

// BenchmarkCapture: what a capture costs, and that one that is off costs nothing:
// go test -bench Capture ./vtep/forward.
func BenchmarkCapture(b *testing.B) {
	for _, on := range []bool{false, true} {
		b.Run(map[bool]string{false: "off", true: "on"}[on], func(b *testing.B) {
			p := NewPlane(1)
			l := newTestLink(p, Tables{})
			st := *l.State.Load()
			st.TX = [2]Transmitter{sinkTX{}, sinkTX{}}
			c, batch := NewCapture(p, CaptureFilter{}, 8192, 4<<20)
			if on {
				st.Captures = []*Capture{c}
			}
			l.State.Store(&st)
			r := l.Remotes.Intern(RemoteKey{Addr: peerA, Port: encap.DefaultPort, VNI: 42})
			if err := l.FDB.Add(there, r.ID, fdb.Static, fdb.FlagUser, 1); err != nil {
				b.Fatal(err)
			}
			frames := make([]encap.Frame, 64)
			for i := range frames {
				frames[i].Data = bytes.Clone(usual)
			}
			w := NewPortWorker(l, 0)
			b.ReportAllocs()
			for b.Loop() {
				w.Forward(frames, 1)
				if on {
					c.Read(batch)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(frames)), "ns/frame")
		})
	}
}
