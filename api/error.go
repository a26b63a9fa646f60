package api

import "fmt"

// Error is a refusal of the daemon. errors.Is compares the codes of two refusals.
type Error struct {
	Message string `json:"error"`
	Code    string `json:"code"`
}

func (e *Error) Error() string { return e.Message }

// Is reports whether target is a refusal with the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// The refusals of a daemon, one for each code. The message is the kernel's where the kernel
// has one, since scripts search for it.
var (
	// ErrExist: the link, entry or remote exists already.
	ErrExist = &Error{Code: "exist", Message: "File exists"}
	// ErrNotExist: the entry does not exist, or has no such remote.
	ErrNotExist = &Error{Code: "not-exist", Message: "No such file or directory"}
	// ErrNoLink: there is no link of that name.
	ErrNoLink = &Error{Code: "no-link", Message: "Cannot find device"}
	// ErrNoPort: there is no port of that name.
	ErrNoPort = &Error{Code: "no-port", Message: "Cannot find port"}
	// ErrInvalid: the request has an impossible value; the message says what to write.
	ErrInvalid = &Error{Code: "invalid", Message: "Invalid argument"}
	// ErrFamily: an address has another address family than the link's underlay.
	ErrFamily = &Error{Code: "family", Message: "Address family not supported by protocol"}
	// ErrFull: the forwarding database has `maxaddress` entries, or there are too many
	// monitors.
	ErrFull = &Error{Code: "full", Message: "No space left on device"}
	// ErrClosed: the daemon is ending.
	ErrClosed = &Error{Code: "closed", Message: "the VTEP is closed"}
	// ErrDenied: the caller may read, but not change anything.
	ErrDenied = &Error{Code: "denied", Message: "permission denied"}
	// ErrNoPath: the daemon has no such path, or the path has no such method.
	ErrNoPath = &Error{Code: "no-path", Message: "no such path or method: see docs/api.md"}
	// ErrNoFile: the daemon has no configuration file.
	ErrNoFile = &Error{Code: "no-file", Message: "the daemon has no configuration file: start it with uvtep run --config FILE"}
	// ErrFault: a fault of the daemon ended the request.
	ErrFault = &Error{Code: "fault", Message: "a fault of uvtep: its log has the stack; please report it. What was asked for may be half done"}
	// ErrTooLarge: the request's body is larger than the daemon's limit.
	ErrTooLarge = &Error{Code: "too-large", Message: "the request's body has more than 1 MiB: send a link or an entry a request"}
	// ErrRefused: any other error, such as the kernel's.
	ErrRefused = &Error{Code: "refused", Message: "refused"}
)

// Invalidf is an ErrInvalid with a message that says what is wrong, then what to write.
func Invalidf(format string, a ...any) error {
	return &Error{Message: fmt.Sprintf(format, a...), Code: ErrInvalid.Code}
}
