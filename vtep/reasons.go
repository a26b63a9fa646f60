package vtep

import "github.com/uvtep/uvtep/vtep/forward"

// DropReason names why a frame or packet went no further; forward has the list.
type DropReason = forward.DropReason

// LinkStats counts since the link was added.
type LinkStats = forward.Stats

// DropReasons lists every reason, in packet order.
func DropReasons() []DropReason { return forward.DropReasons() }

// The reasons by the names that they have in package forward.
const (
	TxPortOverflow    = forward.TxPortOverflow
	TxUnreadable      = forward.TxUnreadable
	TxUnknownVLAN     = forward.TxUnknownVLAN
	TxLinkDown        = forward.TxLinkDown
	TxTooShort        = forward.TxTooShort
	TxBadOffload      = forward.TxBadOffload
	TxTooManySegments = forward.TxTooManySegments
	TxLoop            = forward.TxLoop
	TxInnerVLAN       = forward.TxInnerVLAN
	TxNoNeighbour     = forward.TxNoNeighbour
	TxNoRemote        = forward.TxNoRemote
	TxFloodLoop       = forward.TxFloodLoop
	TxBUMLimit        = forward.TxBUMLimit
	TxPeerBUMLimit    = forward.TxPeerBUMLimit
	TxTooBig          = forward.TxTooBig
	TxUnreachable     = forward.TxUnreachable
	TxNoBuffer        = forward.TxNoBuffer
	TxRefused         = forward.TxRefused
	RxSocketOverflow  = forward.RxSocketOverflow
	RxUnreadable      = forward.RxUnreadable
	RxUndecided       = forward.RxUndecided
	RxShortHeader     = forward.RxShortHeader
	RxNoVNIFlag       = forward.RxNoVNIFlag
	RxUnknownVNI      = forward.RxUnknownVNI
	RxReserved        = forward.RxReserved
	RxNotEthernet     = forward.RxNotEthernet
	RxLinkDown        = forward.RxLinkDown
	RxOwnEcho         = forward.RxOwnEcho
	RxNotPeer         = forward.RxNotPeer
	RxTooShort        = forward.RxTooShort
	RxBadSource       = forward.RxBadSource
	RxOwnMAC          = forward.RxOwnMAC
	RxInnerVLAN       = forward.RxInnerVLAN
	RxPeerBUMLimit    = forward.RxPeerBUMLimit
	RxStaticMAC       = forward.RxStaticMAC
	RxMoveGuard       = forward.RxMoveGuard
	RxECN             = forward.RxECN
	RxPort            = forward.RxPort
)
