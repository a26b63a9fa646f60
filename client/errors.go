package client

import (
	"errors"

	"github.com/uvtep/uvtep/api"
)

// What a daemon refuses, as errors.Is finds it in the error of a call.
var (
	// ErrExist: there is such a link, entry or remote already.
	ErrExist = api.ErrExist
	// ErrNotExist: there is no such entry, or it has no such remote.
	ErrNotExist = api.ErrNotExist
	// ErrNoLink: there is no link of that name.
	ErrNoLink = api.ErrNoLink
	// ErrNoPort: there is no port of that name.
	ErrNoPort = api.ErrNoPort
	// ErrInvalid: it cannot be; the message says what can.
	ErrInvalid = api.ErrInvalid
	// ErrFamily: an address of the other family than the link's underlay.
	ErrFamily = api.ErrFamily
	// ErrFull: the forwarding database has `maxaddress` entries, or there are as
	// many monitors as may be.
	ErrFull = api.ErrFull
	// ErrDenied: the caller may look and not write.
	ErrDenied = api.ErrDenied
	// ErrNotRunning: no daemon answers on the socket, or it ended.
	ErrNotRunning = errors.New("no uvtep daemon is running")
	// ErrNotAnswering: there is a daemon, and it answers nobody: it is stopped, or
	// hangs. It is told after 5 s; a request that takes longer while the daemon
	// answers others is waited for.
	ErrNotAnswering = errors.New("the uvtep daemon does not answer")
)
