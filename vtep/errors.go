package vtep

import "errors"

// What the control plane refuses; their texts are the kernel's words, which
// scripts look for. Test with errors.Is.
var (
	ErrExist        = errors.New("File exists")
	ErrNotExist     = errors.New("No such file or directory")
	ErrNoLink       = errors.New("Cannot find device")
	ErrNoPort       = errors.New("Cannot find port")
	ErrFamily       = errors.New("Address family not supported by protocol")
	ErrNotSupported = errors.New("Operation not supported")
	ErrFull         = errors.New("No space left on device")
	// ErrInvalid is wrapped by what validation refuses.
	ErrInvalid = errors.New("Invalid argument")
	// ErrClosed is returned once Run has ended.
	ErrClosed = errors.New("the VTEP is closed")
)
