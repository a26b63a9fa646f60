package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/uvtep/uvtep/api"
)

// FDBList is a list of entries that is read as it comes.
type FDBList struct {
	client  *Client
	body    io.ReadCloser
	entries *json.Decoder
	end     bool
}

// ListFDB asks for the entries that the filter selects, in the order of FDB. The list
// takes no memory here, however long it is; who leaves it unread for a minute is cut
// off. Close it.
func (c *Client) ListFDB(ctx context.Context, f api.FDBFilter) (*FDBList, error) {
	res, err := c.ask(ctx, whole, http.MethodGet, "/v1/fdb?"+f.Query().Encode(), nil)
	if err != nil {
		return nil, err
	}
	l := &FDBList{client: c, body: res.Body, entries: json.NewDecoder(res.Body)}
	if err := l.delim('['); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Next is the next entry, io.EOF after the last one.
func (l *FDBList) Next() (api.FDBEntry, error) {
	var e api.FDBEntry
	if l.end {
		return e, io.EOF
	}
	if l.entries.More() {
		return e, l.fault(l.entries.Decode(&e))
	}
	if err := l.delim(']'); err != nil {
		return e, err
	}
	l.end = true
	return e, io.EOF
}

// Close ends the list.
func (l *FDBList) Close() error { return l.body.Close() }

// delim reads a bracket.
func (l *FDBList) delim(want json.Delim) error {
	t, err := l.entries.Token()
	if err == nil && t != want {
		err = fmt.Errorf("%v where %v belongs", t, want)
	}
	return l.fault(err)
}

// fault says what an error in the list means.
func (l *FDBList) fault(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the daemon's answer on %s ends before its end: it ended, or cut off a reader that was too slow; ask again", l.client.path)
	}
	return fmt.Errorf("the daemon's answer on %s: %w", l.client.path, err)
}
