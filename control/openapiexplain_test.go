package control

import (
	"context"
	"fmt"
	"io"
	"net/netip"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
)

// exerciseExplain is exercise for explanations. The link vx1 has VNI 42 and is up.
func exerciseExplain(ctx context.Context, c *client.Client) []call {
	frame := make([]byte, 2000)
	copy(frame, []byte{2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0})
	e, err := c.Explain(ctx, api.Question{Dev: "vx1", Frame: frame})
	if err == nil && (e.Steps[0].Text == "" || e.Verdict == "") {
		err = fmt.Errorf("%+v", e)
	}
	from, errFrom := c.Explain(ctx, api.Question{From: netip.MustParseAddr("192.0.2.4"), VNI: new(uint32(77)), Frame: frame})
	if errFrom == nil && (len(from.Drops) != 1 || from.Drops[0] != "rx-unknown-vni" || !from.Dropped) {
		errFrom = fmt.Errorf("%+v", from)
	}
	_, errNone := c.Explain(ctx, api.Question{Dev: "vx2", Frame: frame})
	_, errNobody := c.Explain(ctx, api.Question{Frame: frame})
	_, errTOS := c.Explain(ctx, api.Question{Dev: "vx1", Frame: frame, TOS: 1})
	return []call{
		{"explain", nil, err}, {"explain a packet", nil, errFrom}, {"explain of no link", api.ErrNoLink, errNone},
		{"explain nobody's", api.ErrInvalid, errNobody}, {"explain the TOS of a frame", api.ErrInvalid, errTOS},
	}
}

// exerciseCapture is exercise for captures.
func exerciseCapture(ctx context.Context, c *client.Client) (calls []call) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	_, errNone := c.Capture(ctx, api.CaptureFilter{Dev: "vx2"})
	_, errMAC := c.Capture(ctx, api.CaptureFilter{MAC: "who"})
	_, errSample := c.MonitorSamples(ctx, "vx2", api.ObjectDrop)
	var open []io.Closer
	for i := range 5 {
		r, err := c.Capture(ctx, api.CaptureFilter{Dev: "vx1", Remote: netip.MustParseAddr("192.0.2.4"), MAC: "02:00:00:00:00:01", Drops: true, Outer: true, Raw: true, Count: 5})
		want := error(nil)
		if i == 4 {
			want = api.ErrFull
		} else if err == nil {
			open = append(open, r)
		}
		calls = append(calls, call{"capture", want, err})
	}
	for _, r := range open {
		_ = r.Close() // the daemon ends the capture by itself then
	}
	return append(calls, call{"capture of no link", api.ErrNoLink, errNone}, call{"capture of no address", api.ErrInvalid, errMAC},
		call{"samples of no link", api.ErrNoLink, errSample})
}
