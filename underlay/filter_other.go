//go:build !linux

package underlay

import (
	"errors"

	"github.com/uvtep/uvtep/encap"
)

// Filter, Gate and Rule are Linux only; here they do nothing.
type (
	Filter struct{}
	Gate   struct{}
	Rule   struct{}
)

// NewFilter says that there is none.
func NewFilter() (*Filter, error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (*Filter) Close() error { return nil }

// Refused is nothing.
func (*Filter) Refused() Refused { return Refused{} }

// UnknownVNIs is nothing.
func (*Filter) UnknownVNIs() []encap.VNICounted { return nil }

// Gate is none.
func (*Filter) Gate(bool) (*Gate, error) { return nil, nil }

// ShowUnknown does nothing.
func (*Filter) ShowUnknown(bool) {}

// Rule is none.
func (*Filter) Rule() *Rule { return nil }

// SetVNI does nothing.
func (*Gate) SetVNI(encap.VNI, *Rule) {}

// DropVNI does nothing.
func (*Gate) DropVNI(encap.VNI) {}

// SetWild does nothing.
func (*Gate) SetWild(*Gate) {}

// Settle does nothing.
func (*Gate) Settle() {}

// Dropped is nothing.
func (*Gate) Dropped() uint64 { return 0 }

// Close does nothing.
func (*Gate) Close() error { return nil }

// Release does nothing.
func (*Gate) Release() error { return nil }

// Allow does nothing.
func (*Rule) Allow(encap.Addr) error { return nil }

// Forbid does nothing.
func (*Rule) Forbid(encap.Addr) {}

// Peers does nothing.
func (*Rule) Peers(bool) error { return nil }

// Filters is false.
func (*Rule) Filters() bool { return false }

// NotPeer is nothing.
func (*Rule) NotPeer() uint64 { return 0 }

// MinTTL does nothing.
func (*Rule) MinTTL(uint8) error { return nil }

// LowTTL is nothing.
func (*Rule) LowTTL() uint64 { return 0 }

// Close does nothing.
func (*Rule) Close() {}

// Aside does nothing.
func (*Rule) Aside(bool) error { return nil }

// Messages is nothing.
func (*Rule) Messages() uint64 { return 0 }

// GiveWay is nothing here.
type GiveWay struct{}

// Background does nothing.
func Background() (*GiveWay, error) { return nil, nil }

// Rest does nothing.
func (*GiveWay) Rest(bool) {}

// Close does nothing.
func (*GiveWay) Close() error { return nil }

// OpenAside says that there is none.
func (*Receiver) OpenAside([]*Receiver) error { return errors.ErrUnsupported }
