package client

import (
	"bytes"
	"context"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"

	"github.com/uvtep/uvtep/api"
)

// longFrame is how long a frame has to be for its zeros at the end to be left out of the
// question, whose head the daemon limits.
const longFrame = 256

// Explain asks what the data path would do with a frame. The daemon sends, learns and counts
// nothing for it.
func (c *Client) Explain(ctx context.Context, q api.Question) (api.Explanation, error) {
	values := url.Values{}
	set := func(key, value string) {
		if value != "" {
			values.Set(key, value)
		}
	}
	set("dev", q.Dev)
	frame := q.Frame
	if len(frame) > longFrame { // its zeros need not be said
		frame = bytes.TrimRight(frame, "\x00")
		values.Set("len", strconv.Itoa(len(q.Frame)))
	}
	set("frame", hex.EncodeToString(frame))
	if q.From.IsValid() {
		values.Set("from", q.From.String())
	}
	if q.Payload != nil {
		values.Set("payload", hex.EncodeToString(q.Payload))
	}
	if q.VNI != nil {
		values.Set("vni", strconv.FormatUint(uint64(*q.VNI), 10))
	}
	if q.TOS != 0 {
		values.Set("tos", strconv.Itoa(int(q.TOS)))
	}
	var e api.Explanation
	err := c.do(ctx, http.MethodGet, "/v1/explain?"+values.Encode(), nil, &e)
	return e, err
}
