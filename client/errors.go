package client

import (
	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/vtep"
)

// What a daemon refuses, as errors.Is finds it in the error of a call.
var (
	// ErrExist: there is such a link, entry or remote already.
	ErrExist = vtep.ErrExist
	// ErrNotExist: there is no such entry, or it has no such remote.
	ErrNotExist = vtep.ErrNotExist
	// ErrNoLink: there is no link of that name.
	ErrNoLink = vtep.ErrNoLink
	// ErrNoPort: there is no port of that name.
	ErrNoPort = vtep.ErrNoPort
	// ErrInvalid: it cannot be; the message says what can.
	ErrInvalid = vtep.ErrInvalid
	// ErrFamily: an address of the other family than the link's underlay.
	ErrFamily = vtep.ErrFamily
	// ErrFull: the forwarding database has `maxaddress` entries, or there are as
	// many monitors as may be.
	ErrFull = vtep.ErrFull
	// ErrDenied: the caller may look and not write.
	ErrDenied = control.ErrDenied
	// ErrNotRunning: no daemon answers on the socket, or it ended.
	ErrNotRunning = control.ErrNotRunning
	// ErrNotAnswering: there is a daemon, and it answers nobody: it is stopped, or
	// hangs. It is told after 5 s; a request that takes longer while the daemon
	// answers others is waited for.
	ErrNotAnswering = control.ErrNotAnswering
)
