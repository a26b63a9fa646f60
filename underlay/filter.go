package underlay

import "errors"

// ErrFilterFull is what a [Rule] says to more addresses than the filter holds.
var ErrFilterFull = errors.New("no room in the filter")

// Refused is what the filter of a VTEP has dropped that belongs to no link.
type Refused struct {
	ShortHeader, NoVNIFlag, UnknownVNI uint64 // datagrams
}
