package txring

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
)

// Behind is a transmitter that sends what leaves by no ring: one of package underlay, or of another that stands before one.
type Behind interface {
	WriteBatch(p []encap.Packet) error
	PathMTU(dst encap.Addr) (mtu int, ok bool)
	TakeErrors() []underlay.ICMPError
	Offloads() underlay.Offloads
	Close() error
}
