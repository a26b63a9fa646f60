package client

import "github.com/uvtep/uvtep/api"

// DefaultPath is where the daemon's socket is unless `--control` says otherwise.
const DefaultPath = api.DefaultPath

// What travels, of package api. The names are the words of iproute2.
type (
	// Link is a link as it stands.
	Link = api.Link
	// LinkSpec says what a link is to be; what is nil is not said.
	LinkSpec = api.LinkSpec
	// LinkChange is a LinkSpec, and whether the link is to be up and of which
	// device a slave.
	LinkChange = api.LinkChange
	// LinkStats are the counters of a link.
	LinkStats = api.LinkStats
	// Stats are those of what belongs to no link.
	Stats = api.Stats
	// Netdev is a link's network device.
	Netdev = api.Netdev
	// Value is a number or a word in its place.
	Value = api.Value
	// PortRange is two ports, both included.
	PortRange = api.PortRange

	// Port is a port that is not a link's, as it stands.
	Port = api.Port
	// PortSpec says what such a port is to be; what is nil is not said.
	PortSpec = api.PortSpec
	// PortChange is a PortSpec, and whether the port is to be up.
	PortChange = api.PortChange
	// PortVLAN is a VLAN of a trunk port.
	PortVLAN = api.PortVLAN

	// FDBEntry is one line of a forwarding database.
	FDBEntry = api.FDBEntry
	// FDBFilter selects entries.
	FDBFilter = api.FDBFilter

	// ConfigApply asks the daemon to read its configuration file again.
	ConfigApply = api.ConfigApply
	// ConfigApplied is what it made of it.
	ConfigApplied = api.ConfigApplied

	// Event is what a Monitor tells.
	Event = api.Event
	// Policy is the group policy id that packets carry.
	Policy = api.Policy
	// Trouble is what is wrong with a remote.
	Trouble = api.Trouble
	// Drop is what was dropped for one reason.
	Drop = api.Drop

	// Error is a refusal of the daemon's.
	Error = api.Error
)

// The verbs of Client.ChangeFDB.
const (
	Add     = "add"
	Append  = "append"
	Replace = "replace"
	Del     = "del"
)

// The states of an FDBEntry.
const (
	Permanent = api.Permanent
	Static    = api.Static
	Dynamic   = api.Dynamic
	Stale     = api.Stale // of entries that aged, in events
)

// What an Event is, and what it is about.
const (
	EventNew  = api.EventNew
	EventDel  = api.EventDel
	EventMove = api.EventMove
	EventMiss = api.EventMiss
	EventDrop = api.EventDrop

	EventTrouble = api.EventTrouble
	EventLost    = api.EventLost

	ObjectLink = api.ObjectLink
	ObjectFDB  = api.ObjectFDB
	ObjectDrop = api.ObjectDrop
)
