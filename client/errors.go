package client

import "errors"

// Why a daemon gave no answer, as errors.Is finds it in the error of a call. What a daemon
// refuses is an error of package api.
var (
	// ErrNotRunning: no daemon answers on the socket, or it ended.
	ErrNotRunning = errors.New("no uvtep daemon is running")
	// ErrNotAnswering: there is a daemon, and it answers nobody: it is stopped, or
	// hangs. It is told after 5 s; a request that takes longer while the daemon
	// answers others is waited for.
	ErrNotAnswering = errors.New("the uvtep daemon does not answer")
)
