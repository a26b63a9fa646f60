//go:build !linux

package handover

import (
	"errors"
	"net"
	"os"
)

// Path is where the control API hands over.
const Path = "/v1/handover"

// Conn is the connection of two daemons.
type Conn struct{ *net.UnixConn }

// Ask fails: there is nothing to hand over on this system.
func Ask(string, string) (*Conn, error) { return nil, errors.ErrUnsupported }

// Receive fails.
func (*Conn) Receive() ([]byte, map[string][]*os.File, error) { return nil, nil, errors.ErrUnsupported }

// Ready fails.
func (*Conn) Ready() error { return errors.ErrUnsupported }

// Begun fails.
func (*Conn) Begun() error { return errors.ErrUnsupported }

// Give fails.
func (*Conn) Give([]byte, map[string][]*os.File) error { return errors.ErrUnsupported }

// Go fails.
func (*Conn) Go() error { return errors.ErrUnsupported }

// FromSystemd is nothing.
func FromSystemd() map[string][]*os.File { return nil }

// Stores is false.
func Stores() bool { return false }

// Store fails.
func Store(map[string][]*os.File) error { return errors.ErrUnsupported }
