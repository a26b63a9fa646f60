//go:build unix && !linux

package underlay

import (
	"errors"
	"syscall"

	"github.com/uvtep/uvtep/encap"
)

// sendResult names what a send's error means.
func sendResult(err error) encap.SendResult {
	switch {
	case err == nil:
		return encap.SendOK
	case errors.Is(err, syscall.EMSGSIZE):
		return encap.SendTooBig
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH),
		errors.Is(err, syscall.EADDRNOTAVAIL):
		return encap.SendUnreachable
	case errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.EAGAIN):
		return encap.SendNoBuffer
	}
	return encap.SendRefused
}

func addressInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
