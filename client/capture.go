package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/uvtep/uvtep/api"
)

// Capture has the daemon copy frames until ctx ends or the reader is closed. What is read is a
// pcapng file, which ends after f.Count packets, or where the daemon ends. The capture has begun
// when Capture returns. The daemon leaves out what is read too slowly, and counts it in the file.
func (c *Client) Capture(ctx context.Context, f api.CaptureFilter) (io.ReadCloser, error) {
	q := url.Values{}
	for key, value := range map[string]string{"dev": f.Dev, "mac": f.MAC} {
		if value != "" {
			q.Set(key, value)
		}
	}
	for key, on := range map[string]bool{"drops": f.Drops, "outer": f.Outer, "raw": f.Raw} {
		if on {
			q.Set(key, "true")
		}
	}
	if f.Remote.IsValid() {
		q.Set("remote", f.Remote.String())
	}
	if f.Count > 0 {
		q.Set("count", strconv.FormatUint(f.Count, 10))
	}
	res, err := c.ask(ctx, stream, http.MethodGet, "/v1/capture?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}
