package control

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/capture"
	"github.com/uvtep/uvtep/vtep"
)

// TestCaptureAndSamples: a dropped frame is in a capture, with its reason, and is the sample of
// the event that tells of it. What is captured ends after the count that was asked for, and the
// data path forgets a capture whose reader is gone.
func TestCaptureAndSamples(t *testing.T) {
	v, host, c := watchedHost(t)
	if err := v.AddLink(vtep.LinkConfig{Name: "vx1", VNI: 42, Remote: netip.MustParseAddr("192.0.2.2"), InnerVLAN: vtep.InnerVLANDrop}); err != nil {
		t.Fatal(err)
	}
	if err := v.SetLinkUp("vx1", true); err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, 200)
	copy(frame, []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 5, 0x88, 0xb5})
	stream, err := c.Capture(t.Context(), api.CaptureFilter{Dev: "vx1", Drops: true, Count: 2})
	if err != nil {
		t.Fatal(err)
	}
	events, err := c.MonitorSamples(t.Context(), "", api.ObjectDrop)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if !host.Device("vx1").Inject(encap.Frame{Data: bytes.Clone(frame)}) {
			t.Fatal("the device took no frame")
		}
	}
	in, err := capture.NewReader(stream)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		p, err := in.Next()
		if err != nil || p.Interface != "vx1" || !p.Out || !bytes.Equal(p.Frame, frame) || len(p.Comments) != 1 || p.Comments[0] != "drop: tx-inner-vlan" || time.Since(p.Time).Abs() > time.Minute {
			t.Fatalf("%+v, %v", p, err)
		}
	}
	if p, err := in.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the count: %+v, %v", p, err)
	}
	e, err := events.Next()
	for err == nil && e.Drop == nil {
		e, err = events.Next()
	}
	if err != nil || e.Drop.Reason != "tx-inner-vlan" || e.Drop.Sample == nil || !bytes.Equal(e.Drop.Sample.Frame, frame[:sampleLength]) || e.Drop.Sample.Length != len(frame) {
		t.Errorf("%+v, %v", e.Drop, err)
	}
	if err := errors.Join(stream.Close(), events.Close()); err != nil {
		t.Error(err)
	}
	for range 4 { // the ended ones have given their places back, some time
		again, err := c.Capture(t.Context(), api.CaptureFilter{})
		for end := time.Now().Add(30 * time.Second); errors.Is(err, api.ErrFull) && time.Now().Before(end); again, err = c.Capture(t.Context(), api.CaptureFilter{}) {
			time.Sleep(10 * time.Millisecond)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = again.Close() }()
	}
}
