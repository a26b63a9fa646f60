package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/uvtep/uvtep/api"
)

// Monitor is a stream of events.
type Monitor struct {
	client *Client
	body   io.ReadCloser
	lines  *json.Decoder
}

// Monitor listens to what happens to the objects named (link, fdb, local, drop; all
// where none is) from its return on, until ctx ends or Close is called.
func (c *Client) Monitor(ctx context.Context, what ...string) (*Monitor, error) {
	return c.MonitorLink(ctx, "", what...)
}

// MonitorLink is Monitor of one link, which need not be there yet.
func (c *Client) MonitorLink(ctx context.Context, dev string, what ...string) (*Monitor, error) {
	return c.monitor(ctx, url.Values{}, dev, what)
}

// Follow is MonitorLink, of all links for "", that begins with what is there: events with
// Listed, then one that is api.EventListed, then what has changed since. Nothing is lost
// between.
func (c *Client) Follow(ctx context.Context, dev string, what ...string) (*Monitor, error) {
	return c.monitor(ctx, url.Values{"list": {"true"}}, dev, what)
}

// MonitorSamples is MonitorLink, of all links for "", with a frame of each drop reason
// (api.Drop.Sample). It takes the right to change links.
func (c *Client) MonitorSamples(ctx context.Context, dev string, what ...string) (*Monitor, error) {
	return c.monitor(ctx, url.Values{"sample": {"true"}}, dev, what)
}

func (c *Client) monitor(ctx context.Context, q url.Values, dev string, what []string) (*Monitor, error) {
	if dev != "" {
		q.Set("dev", dev)
	}
	if len(what) > 0 {
		q.Set("what", strings.Join(what, ","))
	}
	res, err := c.ask(ctx, stream, http.MethodGet, "/v1/monitor?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return &Monitor{client: c, body: res.Body, lines: json.NewDecoder(res.Body)}, nil
}

// Next waits for the next event. It returns ErrNotRunning when the daemon ended
// or cut the reader off for being too slow.
func (m *Monitor) Next() (api.Event, error) {
	var e api.Event
	err := m.lines.Decode(&e)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		err = fmt.Errorf("%w on %s any more: it ended the stream", ErrNotRunning, m.client.path)
	}
	return e, err
}

// Close ends the stream.
func (m *Monitor) Close() error { return m.body.Close() }
