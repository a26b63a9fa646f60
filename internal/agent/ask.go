package agent

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
	"strings"
	"syscall"

	"github.com/uvtep/uvtep/client"
)

// Asker asks an agent on its socket.
type Asker struct {
	Path string
	Most int64 // bytes of an answer that are read; 0: any number
}

// Get asks for what is at /v1/WHAT and reads the answer into reply.
func (a Asker) Get(ctx context.Context, what string, reply any) error {
	return a.do(ctx, http.MethodGet, what, nil, func(r io.Reader) error { return json.NewDecoder(r).Decode(reply) })
}

// Clear asks to clear something.
func (a Asker) Clear(ctx context.Context, c Clear) (Cleared, error) {
	var done Cleared
	body, err := json.Marshal(c)
	if err != nil {
		return done, err
	}
	err = a.do(ctx, http.MethodPost, "clear", body, func(r io.Reader) error { return json.NewDecoder(r).Decode(&done) })
	return done, err
}

// Monitor calls fn with each event until ctx ends.
func (a Asker) Monitor(ctx context.Context, fn func(*Event) error) error {
	err := a.do(ctx, http.MethodGet, "monitor", nil, func(r io.Reader) error {
		lines := json.NewDecoder(r)
		for {
			var e Event
			err := lines.Decode(&e)
			switch {
			case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
				return fmt.Errorf("%w on %s any more: the agent ended", client.ErrNotRunning, a.Path)
			case err != nil:
				return err
			}
			if err := fn(&e); err != nil {
				return err
			}
		}
	})
	if ctx.Err() != nil {
		return nil // told to end
	}
	return err
}

func (a Asker) do(ctx context.Context, method, what string, body []byte, read func(io.Reader) error) error {
	t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", a.Path)
	}}
	defer t.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, "http://uvtep/v1/"+what, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := (&http.Client{Transport: t}).Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w on %s: start an agent with uvtep evpn run, or give its socket with --socket", client.ErrNotRunning, a.Path)
	case err != nil:
		return fmt.Errorf("ask the agent on %s: %w", a.Path, err)
	}
	defer func() { _ = res.Body.Close() }() // read to its end or of no interest
	if res.StatusCode >= 400 {
		text, _ := io.ReadAll(io.LimitReader(res.Body, maxBody)) // what came of it
		return errors.New(strings.TrimSpace(string(text)))
	}
	answer := io.Reader(res.Body)
	if a.Most > 0 {
		answer = io.LimitReader(answer, a.Most)
	}
	if err := read(answer); err != nil {
		return fmt.Errorf("the agent's answer on %s: %w", a.Path, err)
	}
	return nil
}
