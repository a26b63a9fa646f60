package control

import (
	"context"
	"errors"
	"net/http"
)

// errNoFile is asked of a daemon that follows no file.
var errNoFile = errors.New("the daemon has no configuration file: start it with uvtep run --config FILE")

// ConfigApply asks the daemon to read its configuration file again.
type ConfigApply struct {
	// Force takes a file that seems to have been cut off as it is.
	Force bool `json:"force,omitempty"`
}

// ConfigApplied is what the daemon made of its configuration file.
type ConfigApplied struct {
	File    string   `json:"file"`
	Links   int      `json:"links"`   // that it has
	Removed []string `json:"removed"` // links that it had before
}

func (s *Server) applyConfig(r *http.Request) (any, error) {
	var a ConfigApply
	if err := decode(r, &a); err != nil {
		return nil, err
	}
	if s.config.ApplyConfig == nil {
		return nil, errNoFile
	}
	return s.config.ApplyConfig(r.Context(), a)
}

// ApplyConfig has the daemon read its configuration file now and apply what
// differs.
func (c *Client) ApplyConfig(ctx context.Context, a ConfigApply) (ConfigApplied, error) {
	var applied ConfigApplied
	err := c.do(ctx, http.MethodPost, "/v1/config/apply", a, &applied)
	return applied, err
}
