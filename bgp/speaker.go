package bgp

import (
	"log/slog"
	"net/netip"
	"time"
)

// Config is what a Speaker is made of. The zero value of a field means its default.
type Config struct {
	// AS is this speaker's AS number, up to four bytes.
	AS uint32
	// RouterID is its BGP identifier, an IPv4 address that no neighbour has.
	RouterID netip.Addr
	// Listen is where neighbours may connect to: none, without which only those are reached
	// that are dialled. A port under 1024 needs CAP_NET_BIND_SERVICE.
	Listen []netip.AddrPort
	// RestartTime is how long neighbours shall keep this speaker's routes after it is gone
	// (RFC 4724 section 3), at most 4095 s; 0 asks for nothing, and only helps others.
	RestartTime time.Duration
	// Restarted says that the forwarding of what this speaker announced earlier went on
	// (RFC 4724 section 4.1): the first session of each neighbour then carries the restart flag.
	Restarted bool
	// Handler gets what is heard.
	Handler Handler
	// Log gets at most one line a second.
	Log *slog.Logger
	// Network is how neighbours are reached; nil is TCP of this host.
	Network Network
}

// NeighbourConfig says who a neighbour is. The zero value of a field means its default.
type NeighbourConfig struct {
	// Address is the neighbour's, with a zone where it is link-local. It is its name, too.
	Address netip.Addr
	// Port is the one to dial: 179. Where the neighbour dials its port is not looked at.
	Port uint16
	// RemoteAS is the neighbour's AS number. Another one is refused.
	RemoteAS uint32
	// External takes any AS number but this speaker's own. RemoteAS is 0 then.
	External bool
	// Password is that of TCP's MD5 signatures (RFC 2385), at most 80 bytes.
	Password string
	// TTLSecurity takes packets only from at most Hops away (GTSM, RFC 5082).
	TTLSecurity bool
	// Hops is how far away the neighbour may be: 1 for eBGP, 255 for iBGP. With TTLSecurity it is 1.
	Hops uint8
	// Passive never dials, and waits for the neighbour.
	Passive bool
	// HoldTime is 90 s; at least 3 s.
	HoldTime time.Duration
	// ConnectRetry is the longest time between two attempts: 10 s. Jitter shortens it by up
	// to a quarter (RFC 4271 section 10).
	ConnectRetry time.Duration
	// Source is the address to dial from.
	Source netip.Addr
	// Device is the netdev, often a VRF, that the session is bound to.
	Device string
	// Limit is how many of its routes are taken: 1,000,000. LimitAction is what happens to more.
	Limit       int
	LimitAction LimitAction
	// StaleTime is the longest time that its routes are kept without a session where it asked
	// for that (RFC 4724 section 4.2): 120 s. Negative: its routes go with the session.
	StaleTime time.Duration
}

// LimitAction is what happens where a neighbour announces more routes than its limit.
type LimitAction string

// The actions at the limit.
const (
	// LimitDiscard keeps the session and the routes up to the limit, and drops others. When
	// there is room again the neighbour is asked for its routes (RFC 2918).
	LimitDiscard LimitAction = "discard"
	// LimitReset ends the session (Cease, Maximum Number of Prefixes Reached, RFC 4486), and
	// tries again after a minute.
	LimitReset LimitAction = "reset"
	// LimitWarn takes the routes, and tells.
	LimitWarn LimitAction = "warn"
)

// Handler gets what neighbours say. Calls about one neighbour come one after the other, in
// order; those about several may come at once. While a call lasts, that neighbour alone is
// not read, its TCP window fills, and its session stays up: back-pressure, not a queue.
//
// A Handler may call the Speaker's methods, but for RemoveNeighbour in a call about that neighbour.
type Handler interface {
	// HandleUpdate gets changes of routes. u and its slices are valid until it returns;
	// u.Attributes may be kept. Each route that was announced is withdrawn in the end: by the
	// neighbour, when its session is gone (after the stale time, where it has one), when it
	// did not come again after a restart or refresh, or when the neighbour is removed; but
	// not because Run ends.
	// Withdrawn routes were announced before. It does not get routes that came back to
	// their origin: those with this speaker's AS in their path or its router id as originator.
	HandleUpdate(neighbour netip.Addr, u *Update)
	// HandleEvent gets changes of a neighbour's state.
	HandleEvent(Event)
}

// EventKind is what an Event is about.
type EventKind string

// The kinds of events.
const (
	// NeighbourUp: the session is established.
	NeighbourUp EventKind = "up"
	// NeighbourDown: the session is gone; Event.Reason says why. Withdraws of its routes
	// follow, at once or after StaleEnd.
	NeighbourDown EventKind = "down"
	// EndOfRIB: all routes of the neighbour have come (RFC 4724 section 2), once a session.
	// A neighbour without RFC 4724 sends none; see NeighbourState.EndOfRIB.
	EndOfRIB EventKind = "end-of-rib"
	// StaleBegin: the session is gone and the neighbour's routes are kept for a while.
	StaleBegin EventKind = "stale-begin"
	// StaleEnd: the time is over, or the routes have come again; those that have not are
	// withdrawn by updates before this event.
	StaleEnd EventKind = "stale-end"
	// LimitReached: the neighbour announced more routes than its limit, once until it is
	// below the limit again.
	LimitReached EventKind = "limit"
)

// Event is a change of a neighbour's state.
type Event struct {
	Neighbour netip.Addr
	Kind      EventKind
	// Reason is why a session ended, in words.
	Reason string
	// Restart, of NeighbourUp, says that the neighbour supports graceful restart. It will then send the
	// End-of-RIB mark, whether it restarts or not (RFC 4724 section 3).
	Restart bool
}

// State is that of a neighbour's session (RFC 4271 section 8.2.2).
type State string

// The states of a session.
const (
	Idle        State = "Idle"
	Connect     State = "Connect"
	Active      State = "Active"
	OpenSent    State = "OpenSent"
	OpenConfirm State = "OpenConfirm"
	Established State = "Established"
)

// NeighbourState is what there is to show of a neighbour.
type NeighbourState struct {
	Address netip.Addr
	// RemoteAS is the configured AS number or, with External, that of the last session; 0: there was none.
	RemoteAS uint32
	State    State
	// Since is when the session was established, or the last one ended.
	Since time.Time
	// RouterID, HoldTime, Capabilities, LocalAddress and Port are those of the session.
	RouterID     netip.Addr
	HoldTime     time.Duration
	LocalAddress netip.AddrPort
	Capabilities []string
	// LastError is why the last session or attempt ended.
	LastError string
	// EndOfRIB says that all of its routes have come.
	EndOfRIB bool
	// Stale says that routes of an earlier session are kept.
	Stale bool
	// Routes is how many of its routes there are, Announced how many it was told.
	Routes, Announced int
	// Counters, since the neighbour was added.
	Counters Counters
}

// Counters count what happened with a neighbour since it was added.
type Counters struct {
	MessagesIn, MessagesOut           uint64
	UpdatesIn, UpdatesOut             uint64
	BytesIn, BytesOut                 uint64
	NotificationsIn, NotificationsOut uint64
	RefreshesIn, RefreshesOut         uint64
	// Sessions is how many were established, Failures how many attempts and sessions ended.
	Sessions, Failures uint64
	// Drops count what of its UPDATEs was not taken, by reason.
	Drops map[DropReason]uint64
}

// DropReason is why something in an UPDATE was not taken while the session went on.
type DropReason string

// The reasons.
const (
	// DropMalformed: the routes of an UPDATE with a malformed attribute are withdrawn (RFC 7606 section 2).
	DropMalformed DropReason = "treated-as-withdrawn"
	// DropAttribute: a malformed attribute was discarded (RFC 7606 section 2).
	DropAttribute DropReason = "attribute-discarded"
	// DropUnknownAttribute: an attribute that this speaker does not know.
	DropUnknownAttribute DropReason = "unknown-attribute"
	// DropRoute: a route that is not as its type says.
	DropRoute DropReason = "malformed-route"
	// DropType: a route of a type that is not known (RFC 7432 section 7).
	DropType DropReason = "unknown-route-type"
	// DropFamily: routes of another address family.
	DropFamily DropReason = "other-family"
	// DropLoop: routes that this speaker or its AS announced.
	DropLoop DropReason = "loop"
	// DropLimit: routes beyond the neighbour's limit.
	DropLimit DropReason = "limit"
)
