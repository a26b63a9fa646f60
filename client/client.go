package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"github.com/uvtep/uvtep/api"
)

// Client asks a daemon. It is safe for concurrent use.
type Client struct {
	path     string
	http     *http.Client
	patience patience
}

// maxIdleConns are kept for a caller that has several requests under way.
const maxIdleConns = 16

// New is a client of the daemon whose socket is at path. It connects when it is
// asked for something.
func New(path string) *Client {
	c := &Client{path: path, patience: usualPatience()}
	c.http = &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: maxIdleConns,
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) },
	}}
	return c
}

// Close gives idle connections back.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Version is the daemon's.
func (c *Client) Version(ctx context.Context) (string, error) {
	var v api.Version
	err := c.do(ctx, http.MethodGet, "/v1/version", nil, &v)
	return v.Version, err
}

// Stats counts what belongs to no link, such as packets without a VXLAN header,
// without the I flag, of an unknown VNI.
func (c *Client) Stats(ctx context.Context) (api.Stats, error) {
	var s api.Stats
	err := c.do(ctx, http.MethodGet, "/v1/stats", nil, &s)
	return s, err
}

// Log is the end of the daemon's log. It takes the right to change links.
func (c *Client) Log(ctx context.Context) (api.Log, error) {
	var l api.Log
	err := c.do(ctx, http.MethodGet, "/v1/log", nil, &l)
	return l, err
}

// Links lists the links by the index of their devices.
func (c *Client) Links(ctx context.Context) ([]api.Link, error) {
	var links []api.Link
	err := c.do(ctx, http.MethodGet, "/v1/links", nil, &links)
	return links, err
}

// Link is one link.
func (c *Client) Link(ctx context.Context, name string) (api.Link, error) {
	var l api.Link
	err := c.do(ctx, http.MethodGet, linkPath(name), nil, &l)
	return l, err
}

// AddLink makes a link, down unless l.Up says otherwise.
func (c *Client) AddLink(ctx context.Context, l api.LinkChange) error {
	return c.do(ctx, http.MethodPost, "/v1/links", l, nil)
}

// ChangeLink changes what change says of the link called name.
func (c *Client) ChangeLink(ctx context.Context, name string, change api.LinkChange) error {
	return c.do(ctx, http.MethodPatch, linkPath(name), change, nil)
}

// DeleteLink removes a link with its device.
func (c *Client) DeleteLink(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, linkPath(name), nil, nil)
}

// Ports lists the ports that are not a link's.
func (c *Client) Ports(ctx context.Context) ([]api.Port, error) {
	var ports []api.Port
	err := c.do(ctx, http.MethodGet, "/v1/ports", nil, &ports)
	return ports, err
}

// Port is one of them.
func (c *Client) Port(ctx context.Context, name string) (api.Port, error) {
	var p api.Port
	err := c.do(ctx, http.MethodGet, portPath(name), nil, &p)
	return p, err
}

// AddPort makes a port, down unless p.Up says otherwise.
func (c *Client) AddPort(ctx context.Context, p api.PortChange) error {
	return c.do(ctx, http.MethodPost, "/v1/ports", p, nil)
}

// ChangePort changes what change says of the port called name.
func (c *Client) ChangePort(ctx context.Context, name string, change api.PortChange) error {
	return c.do(ctx, http.MethodPatch, portPath(name), change, nil)
}

// DeletePort removes a port with its device. It must have no links.
func (c *Client) DeletePort(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, portPath(name), nil, nil)
}

// FDB lists the entries that the filter selects, by their MAC addresses, so all-zeros
// ones first, of one link after the other. ListFDB takes less memory.
func (c *Client) FDB(ctx context.Context, f api.FDBFilter) ([]api.FDBEntry, error) {
	l, err := c.ListFDB(ctx, f)
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }() // read to its end or of no interest
	var entries []api.FDBEntry
	for {
		e, err := l.Next()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
}

// ChangeFDB does what verb says: add, append, replace or del.
func (c *Client) ChangeFDB(ctx context.Context, verb string, e api.FDBEntry) error {
	return c.do(ctx, http.MethodPost, "/v1/fdb/"+url.PathEscape(verb), e, nil)
}

// FlushFDB removes the entries of a link that the filter selects.
func (c *Client) FlushFDB(ctx context.Context, f api.FDBFilter) (int, error) {
	var n api.Flushed
	err := c.do(ctx, http.MethodPost, "/v1/fdb/flush", f, &n)
	return n.Flushed, err
}

// BatchFDB makes up to api.MaxBatch changes as an owner's. The error is of the whole batch;
// the result says what became of each change.
func (c *Client) BatchFDB(ctx context.Context, b api.FDBBatch) (api.BatchResult, error) {
	var r api.BatchResult
	err := c.do(ctx, http.MethodPost, "/v1/fdb/batch", b, &r)
	return r, err
}

// BatchNeighs is BatchFDB for the neighbours that links with proxy answer for.
func (c *Client) BatchNeighs(ctx context.Context, b api.NeighBatch) (api.BatchResult, error) {
	var r api.BatchResult
	err := c.do(ctx, http.MethodPost, "/v1/neigh/batch", b, &r)
	return r, err
}

// ChangeNeigh does what verb says with a neighbour that a link with proxy answers for: add,
// replace or del.
func (c *Client) ChangeNeigh(ctx context.Context, verb string, n api.NeighEntry) error {
	return c.do(ctx, http.MethodPost, "/v1/neigh/"+url.PathEscape(verb), n, nil)
}

// Sweep removes what an owner put in before its present generation.
func (c *Client) Sweep(ctx context.Context, w api.Sweep) (api.Swept, error) {
	var n api.Swept
	err := c.do(ctx, http.MethodPost, "/v1/sweep", w, &n)
	return n, err
}

// Neighs lists the neighbours that controllers put into a link, or into all links for "".
func (c *Client) Neighs(ctx context.Context, dev string) ([]api.NeighEntry, error) {
	q := url.Values{}
	if dev != "" {
		q.Set("dev", dev)
	}
	var all []api.NeighEntry
	err := c.do(ctx, http.MethodGet, "/v1/neigh?"+q.Encode(), nil, &all)
	return all, err
}

// Local lists the addresses on this side of links with learnlocal: a MAC address, then its IP
// addresses.
func (c *Client) Local(ctx context.Context, f api.LocalFilter) ([]api.LocalEntry, error) {
	q := url.Values{}
	if f.Dev != "" {
		q.Set("dev", f.Dev)
	}
	if f.MAC != "" {
		q.Set("mac", f.MAC)
	}
	var all []api.LocalEntry
	err := c.do(ctx, http.MethodGet, "/v1/local?"+q.Encode(), nil, &all)
	return all, err
}

// ApplyConfig has the daemon read its configuration file now and apply what
// differs.
func (c *Client) ApplyConfig(ctx context.Context, a api.ConfigApply) (api.ConfigApplied, error) {
	var applied api.ConfigApplied
	err := c.do(ctx, http.MethodPost, "/v1/config/apply", a, &applied)
	return applied, err
}

func portPath(name string) string { return "/v1/ports/" + url.PathEscape(name) }

func linkPath(name string) string { return "/v1/links/" + url.PathEscape(name) }

// do sends a request and reads the answer into reply, or the daemon's error.
func (c *Client) do(ctx context.Context, method, path string, body, reply any) error {
	res, err := c.ask(ctx, whole, method, path, body)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // read to its end or of no interest
	if reply == nil {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(reply); errors.Is(err, ErrNotAnswering) {
		return err
	} else if err != nil {
		return fmt.Errorf("the daemon's answer on %s: %w", c.path, err)
	}
	return nil
}

// answerKind says what answers a request.
type answerKind bool

const (
	whole  answerKind = false // which ends, and is waited for while the daemon lives
	stream answerKind = true  // which may be silent for long
)

// ask sends a request. The answer is one that the daemon gave in good grace, with
// its body to be read and closed.
func (c *Client) ask(ctx context.Context, kind answerKind, method, path string, body any) (*http.Response, error) {
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	w := c.watch(ctx)
	req, err := http.NewRequestWithContext(w.ctx, method, "http://uvtep"+path, bytes.NewReader(b))
	if err != nil {
		w.end()
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		defer w.end()
		return nil, c.connectError(w.why(err))
	}
	w.whole.Stop()
	res.Body = watchedBody{res.Body, w}
	if kind == stream {
		w.rest()
	}
	if res.StatusCode < 400 {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }()
	refused := new(api.Error)
	if err := json.NewDecoder(res.Body).Decode(refused); err != nil || refused.Message == "" {
		return nil, fmt.Errorf("the daemon on %s answers %s: is it uvtep's?", c.path, res.Status)
	}
	return nil, refused
}

// connectError says what to do where the daemon could not be asked.
func (c *Client) connectError(err error) error {
	switch {
	case errors.Is(err, ErrNotAnswering):
		if urlErr, ok := errors.AsType[*url.Error](err); ok {
			return urlErr.Err
		}
		return err
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w on %s: start one with uvtep run, or give its socket with --control", ErrNotRunning, c.path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w to use %s: be root or of the socket's group", api.ErrDenied, c.path)
	}
	if urlErr, ok := errors.AsType[*url.Error](err); ok {
		err = urlErr.Err // without the made-up URL
	}
	return fmt.Errorf("ask the daemon on %s: %w", c.path, err)
}
