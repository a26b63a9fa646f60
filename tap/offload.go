package tap

import "strings"

// Offloads is what the kernel does for a [Device] at present, probed and not
// assumed.
type Offloads struct {
	// Read is what it leaves undone in frames that are read: what was granted of
	// Config.Offload.
	Read Offload
	// Write is the superframes that it takes whole in writes, as far as is
	// known; those of other kinds are cut.
	Write Offload
	// Switched is what the configuration has switched off, and Refused what the
	// kernel refused, in either direction.
	Switched, Refused Offload
	// Off is what somebody has switched off at the netdev (`ethtool -K`): Read lacks it.
	Off Offload
}

// Superframes reports that superframes in WriteBatch reach the kernel whole,
// so that it pays to make them.
func (o Offloads) Superframes() bool { return o.Write&OffloadTSO != 0 }

// Reason says why less than the most is in use; "" where nothing is amiss.
func (o Offloads) Reason() string {
	var reasons []string
	if o.Switched != 0 {
		reasons = append(reasons, "switched off")
	}
	if o.Refused != 0 {
		reasons = append(reasons, "the kernel refused "+o.Refused.String())
	}
	if o.Off != 0 {
		reasons = append(reasons, "the device has "+o.Off.String()+" switched off: see ethtool -k")
	}
	return strings.Join(reasons, "; ")
}

// offloadsOf returns which of the offloads that c asked for are in use.
func offloadsOf(c Config, granted, written Offload) Offloads {
	const super = OffloadTSO | OffloadUSO
	return Offloads{
		Read: granted, Write: written & super,
		Switched: c.NoWriteOffload & super,
		Refused:  c.Offload&^granted | super&^(written|c.NoWriteOffload),
	}
}
