package control

import (
	"context"
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

// ApplyConfig has the daemon read its configuration file now and apply what
// differs.
func (c *Client) ApplyConfig(ctx context.Context, a api.ConfigApply) (api.ConfigApplied, error) {
	var applied api.ConfigApplied
	err := c.do(ctx, http.MethodPost, "/v1/config/apply", a, &applied)
	return applied, err
}
