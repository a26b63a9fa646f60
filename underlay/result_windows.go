package underlay

import (
	"errors"

	"github.com/uvtep/uvtep/encap"
	"golang.org/x/sys/windows"
)

// sendResult names what a send's error means.
func sendResult(err error) encap.SendResult {
	switch {
	case err == nil:
		return encap.SendOK
	case errors.Is(err, windows.WSAEMSGSIZE):
		return encap.SendTooBig
	case errors.Is(err, windows.WSAENETUNREACH), errors.Is(err, windows.WSAEHOSTUNREACH),
		errors.Is(err, windows.WSAEADDRNOTAVAIL):
		return encap.SendUnreachable
	case errors.Is(err, windows.WSAENOBUFS), errors.Is(err, windows.WSAEWOULDBLOCK):
		return encap.SendNoBuffer
	}
	return encap.SendRefused
}

func addressInUse(err error) bool { return errors.Is(err, windows.WSAEADDRINUSE) }
