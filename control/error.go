package control

import (
	"errors"
	"net/http"

	"github.com/uvtep/uvtep/vtep"
)

// Error is what the daemon answered. errors.Is finds the core's error in it.
type Error struct {
	Message string `json:"error"`
	Code    string `json:"code"`
}

func (e *Error) Error() string { return e.Message }

// ErrDenied is a change asked for by somebody who may only look.
var ErrDenied = errors.New("permission denied")

// ErrRunning is returned by Listen where another daemon answers on the socket.
var ErrRunning = errors.New("another uvtep daemon is running")

// ErrNotRunning is returned by a Client where no daemon answers.
var ErrNotRunning = errors.New("no uvtep daemon is running")

// errNoPath is a request for a path or with a method that there is not.
var errNoPath = errors.New("no such path or method: see docs/api.md")

// errTooLarge is a body beyond maxBody.
var errTooLarge = errors.New("the request's body has more than 1 MiB: send a link or an entry a request")

// errFault is a request that a fault of the daemon came between.
var errFault = errors.New("a fault of uvtep: its log has the stack; please report it. What was asked for may be half done")

type errorCode struct {
	err    error
	code   string
	status int
}

// errorCodes is the one list of codes, for both directions. What is not in it
// is "refused": by the kernel, for instance.
func errorCodes() []errorCode {
	return []errorCode{
		{vtep.ErrExist, "exist", http.StatusConflict},
		{vtep.ErrNotExist, "not-exist", http.StatusNotFound},
		{vtep.ErrNoLink, "no-link", http.StatusNotFound},
		{vtep.ErrNoPort, "no-port", http.StatusNotFound},
		{vtep.ErrInvalid, "invalid", http.StatusBadRequest},
		{vtep.ErrFamily, "family", http.StatusBadRequest},
		{vtep.ErrFull, "full", http.StatusConflict},
		{vtep.ErrClosed, "closed", http.StatusServiceUnavailable},
		{ErrDenied, "denied", http.StatusForbidden},
		{errNoPath, "no-path", http.StatusNotFound},
		{errNoFile, "no-file", http.StatusNotFound},
		{errFault, "fault", http.StatusInternalServerError},
		{errTooLarge, "too-large", http.StatusRequestEntityTooLarge},
	}
}

const codeRefused = "refused"

func wireError(err error) (*Error, int) {
	for _, c := range errorCodes() {
		if errors.Is(err, c.err) {
			return &Error{Message: err.Error(), Code: c.code}, c.status
		}
	}
	return &Error{Message: err.Error(), Code: codeRefused}, http.StatusUnprocessableEntity
}

// Is reports whether target is the error that the code stands for.
func (e *Error) Is(target error) bool {
	for _, c := range errorCodes() {
		if c.code == e.Code {
			return c.err == target
		}
	}
	return false
}
