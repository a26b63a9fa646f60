package api

import "fmt"

// Error is a refusal of the daemon's. errors.Is finds the one below that has its code.
type Error struct {
	Message string `json:"error"`
	Code    string `json:"code"`
}

func (e *Error) Error() string { return e.Message }

// Is reports whether target is a refusal of the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// What a daemon refuses, one error a code. Where there is a word of the kernel's, the
// message is that, which scripts look for.
var (
	// ErrExist: there is such a link, entry or remote already.
	ErrExist = &Error{Code: "exist", Message: "File exists"}
	// ErrNotExist: there is no such entry, or it has no such remote.
	ErrNotExist = &Error{Code: "not-exist", Message: "No such file or directory"}
	// ErrNoLink: there is no link of that name.
	ErrNoLink = &Error{Code: "no-link", Message: "Cannot find device"}
	// ErrNoPort: there is no port of that name.
	ErrNoPort = &Error{Code: "no-port", Message: "Cannot find port"}
	// ErrInvalid: the request asks for what is not possible; the message says what is.
	ErrInvalid = &Error{Code: "invalid", Message: "Invalid argument"}
	// ErrFamily: an address of the other family than the link's underlay.
	ErrFamily = &Error{Code: "family", Message: "Address family not supported by protocol"}
	// ErrFull: the forwarding database has `maxaddress` entries, or there are as
	// many monitors as may be.
	ErrFull = &Error{Code: "full", Message: "No space left on device"}
	// ErrClosed: the daemon is ending.
	ErrClosed = &Error{Code: "closed", Message: "the VTEP is closed"}
	// ErrDenied: the caller may look and not write.
	ErrDenied = &Error{Code: "denied", Message: "permission denied"}
	// ErrNoPath: the daemon answers no such path, or not with that method.
	ErrNoPath = &Error{Code: "no-path", Message: "no such path or method: see docs/api.md"}
	// ErrNoFile: the daemon follows no configuration file.
	ErrNoFile = &Error{Code: "no-file", Message: "the daemon has no configuration file: start it with uvtep run --config FILE"}
	// ErrFault: a fault of the daemon's own came between.
	ErrFault = &Error{Code: "fault", Message: "a fault of uvtep: its log has the stack; please report it. What was asked for may be half done"}
	// ErrTooLarge: the request's body is beyond the daemon's limit.
	ErrTooLarge = &Error{Code: "too-large", Message: "the request's body has more than 1 MiB: send a link or an entry a request"}
	// ErrRefused: all else, such as what the kernel refuses the daemon.
	ErrRefused = &Error{Code: "refused", Message: "refused"}
)

// Invalidf is an ErrInvalid that says what to write instead.
func Invalidf(format string, a ...any) error {
	return &Error{Message: fmt.Sprintf(format, a...), Code: ErrInvalid.Code}
}
