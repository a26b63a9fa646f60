package control

import (
	"bytes"
	"context"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
)

// sampler keeps a dropped frame of each link and reason for the next event that tells of them.
// A nil one has none.
type sampler struct {
	capture *vtep.Capture
	list    []vtep.Captured
	of      map[sampleKey]*api.Sample
}

type sampleKey struct{ dev, reason string }

const (
	// sampleLength is how much of a frame is shown: the headers of every protocol in use.
	sampleLength = 128
	// mostSampleKeys bounds the samples that wait for their event.
	mostSampleKeys = 4096
)

// newSampler begins to look at what is dropped. Frames are tenants' data: who may not change
// the daemon gets none.
func (s *Server) newSampler(ctx context.Context, dev string) (*sampler, error) {
	if err := s.peers.mayWrite(ctx); err != nil {
		return nil, err
	}
	if s.config.Capture == nil {
		return nil, api.ErrNoPath
	}
	c, err := s.config.Capture(vtep.CaptureConfig{Link: dev, CaptureFilter: forward.CaptureFilter{Drops: true}, Samples: true})
	if err != nil {
		return nil, err
	}
	return &sampler{capture: c, of: make(map[sampleKey]*api.Sample)}, nil
}

func (p *sampler) close() {
	if p != nil {
		p.capture.Close()
	}
}

// look takes the frames that were dropped since the call before.
func (p *sampler) look() {
	if p == nil {
		return
	}
	p.list, _ = p.capture.Take(p.list)
	for i := range p.list {
		c := &p.list[i]
		key := sampleKey{c.Link, c.Reason.String()}
		if len(p.of) >= mostSampleKeys || p.of[key] != nil {
			continue
		}
		b := c.Frame.Data
		if c.Link == "" && c.Frame.VLAN != 0 { // of a trunk port: the tag travels beside the frame
			b = encap.AppendTagged(nil, &c.Frame)
		}
		p.of[key] = &api.Sample{Frame: bytes.Clone(b[:min(len(b), sampleLength)]), Length: len(b), Remote: c.Remote.Netip()}
	}
}

// fill gives an event its sample.
func (p *sampler) fill(d *api.Drop) {
	if p == nil || d == nil {
		return
	}
	key := sampleKey{d.Dev, d.Reason}
	d.Sample = p.of[key]
	delete(p.of, key)
}
