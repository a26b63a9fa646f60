package control

import (
	"net/http"

	"github.com/uvtep/uvtep/api"
)

func (s *Server) applyConfig(r *http.Request) (any, error) {
	var a api.ConfigApply
	if err := decode(r, &a); err != nil {
		return nil, err
	}
	if s.config.ApplyConfig == nil {
		return nil, api.ErrNoFile
	}
	return s.config.ApplyConfig(r.Context(), a)
}
