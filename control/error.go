package control

import (
	"errors"
	"net/http"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/vtep"
)

// ErrRunning is returned by Listen where another daemon answers on the socket.
var ErrRunning = errors.New("another uvtep daemon is running")

// refusal is the API's error and the HTTP status for an error of package vtep, where there is
// one, or of the API.
type refusal struct {
	core   error // of package vtep; nil: there is none
	wire   *api.Error
	status int
}

// refusals is the one list of them. Any other error, such as the kernel's, is api.ErrRefused.
func refusals() []refusal {
	return []refusal{
		{vtep.ErrExist, api.ErrExist, http.StatusConflict},
		{vtep.ErrNotExist, api.ErrNotExist, http.StatusNotFound},
		{vtep.ErrNoLink, api.ErrNoLink, http.StatusNotFound},
		{vtep.ErrNoPort, api.ErrNoPort, http.StatusNotFound},
		{vtep.ErrInvalid, api.ErrInvalid, http.StatusBadRequest},
		{vtep.ErrFamily, api.ErrFamily, http.StatusBadRequest},
		{vtep.ErrFull, api.ErrFull, http.StatusConflict},
		{vtep.ErrClosed, api.ErrClosed, http.StatusServiceUnavailable},
		{nil, api.ErrDenied, http.StatusForbidden},
		{nil, api.ErrNoPath, http.StatusNotFound},
		{nil, api.ErrNoFile, http.StatusNotFound},
		{nil, api.ErrFault, http.StatusInternalServerError},
		{nil, api.ErrTooLarge, http.StatusRequestEntityTooLarge},
		{nil, api.ErrRefused, http.StatusUnprocessableEntity},
	}
}

// wireError is the answer to a request that failed with err.
func wireError(err error) (*api.Error, int) {
	all := refusals()
	is := all[len(all)-1]
	for _, r := range all {
		if errors.Is(err, r.wire) || errors.Is(err, r.core) {
			is = r
			break
		}
	}
	return &api.Error{Message: err.Error(), Code: is.wire.Code}, is.status
}
