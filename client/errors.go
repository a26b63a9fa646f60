package client

import "errors"

// The errors of a call that got no answer, for errors.Is. A daemon's refusals are the errors
// of package api.
var (
	// ErrNotRunning: no daemon answers on the socket, or it ended.
	ErrNotRunning = errors.New("no uvtep daemon is running")
	// ErrNotAnswering: the daemon answers nobody, since it is stopped or hangs. The error
	// comes after 5 s. A request that takes longer while the daemon answers others is
	// waited for.
	ErrNotAnswering = errors.New("the uvtep daemon does not answer")
)
