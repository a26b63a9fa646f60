//go:build !linux

package txring

import "github.com/uvtep/uvtep/underlay"

// Rings are none on this system.
type Rings struct{}

// Open tells that there are none on this system.
func Open(Mode) *Rings { return &Rings{} }

// Follow does nothing on this system.
func (r *Rings) Follow(<-chan struct{}) {}

// Close does nothing on this system.
func (r *Rings) Close() error { return nil }

// Transmitter is the one behind.
type Transmitter struct{ Behind }

// Transmitter is t.
func (r *Rings) Transmitter(t Behind, _ []uint16, _ *underlay.TransmitterConfig) *Transmitter {
	return &Transmitter{t}
}
