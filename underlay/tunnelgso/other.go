//go:build !linux

package tunnelgso

import "github.com/uvtep/uvtep/underlay"

// Way is none on this system.
type Way struct{}

// Open tells that there is none on this system.
func Open(Mode) *Way { return &Way{} }

// Follow does nothing on this system.
func (w *Way) Follow(<-chan struct{}) {}

// Close does nothing on this system.
func (w *Way) Close() error { return nil }

// Transmitter is one of package underlay's.
type Transmitter struct{ *underlay.Transmitter }

// Transmitter is t.
func (w *Way) Transmitter(t *underlay.Transmitter, _ *underlay.TransmitterConfig) *Transmitter {
	return &Transmitter{t}
}
