package vtep

import "errors"

// The refusals of the control plane. Their texts are the kernel's, which scripts search for.
// Tell them apart with errors.Is.
var (
	ErrExist        = errors.New("File exists")
	ErrNotExist     = errors.New("No such file or directory")
	ErrNoLink       = errors.New("Cannot find device")
	ErrNoPort       = errors.New("Cannot find port")
	ErrFamily       = errors.New("Address family not supported by protocol")
	ErrNotSupported = errors.New("Operation not supported")
	ErrFull         = errors.New("No space left on device")
	// ErrInvalid is wrapped by each refusal of a validation.
	ErrInvalid = errors.New("Invalid argument")
	// ErrClosed is returned once Run has ended.
	ErrClosed = errors.New("the VTEP is closed")
)
