package vtep

import "github.com/uvtep/uvtep/encap"

// admits checks the inner source MAC and the VLAN policy.
func (s *linkState) admits(src encap.MAC, in *encap.Inner) (DropReason, bool) {
	switch {
	case src.IsMulticast() || src.IsZero():
		return RxBadSource, false
	case src == s.mac:
		return RxOwnMAC, false
	case s.dropVLAN && in.Tags > 0:
		return RxInnerVLAN, false
	}
	return 0, true
}
