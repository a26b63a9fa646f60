package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// patience is how long a Client waits for a daemon. A request may take its time, as
// long as the daemon answers others meanwhile: which of two requests is slow and
// which one hangs cannot be told by themselves.
type patience struct {
	quiet time.Duration // without an answer: then the daemon is asked for its version
	alive time.Duration // that it may take for that
	whole time.Duration // for the head of an answer, whatever it answers to others
}

// usualPatience tells within 5 s that a daemon hangs.
func usualPatience() patience {
	return patience{quiet: 2 * time.Second, alive: 3 * time.Second, whole: time.Minute}
}

// watch looks after one request: it ends it where the daemon answers nobody.
type watch struct {
	client *Client
	ctx    context.Context //nolint:containedctx // the request's, as http.Request has it
	cancel context.CancelCauseFunc
	whole  *time.Timer

	mu    sync.Mutex // held while look asks
	timer *time.Timer
}

// watch begins to look after a request, which is to use the returned watch's
// context; end it.
func (c *Client) watch(ctx context.Context) *watch {
	w := &watch{client: c}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.whole = time.AfterFunc(c.patience.whole, func() {
		w.cancel(fmt.Errorf("%w on %s within %v: see its log, or end it and start it again", ErrNotAnswering, c.path, c.patience.whole))
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(c.patience.quiet, w.look)
	return w
}

// look asks the daemon whether it is there, and ends the request where it is not.
func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() != nil {
		return
	}
	if err := w.client.alive(w.ctx); err != nil {
		w.cancel(err)
		return
	}
	w.timer.Reset(w.client.patience.quiet)
}

// end has nothing look after the request any more, and waits for look.
func (w *watch) end() {
	w.cancel(nil)
	w.whole.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
}

// rest leaves the request alone, whose answer is a stream that may be silent.
func (w *watch) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
}

// why is err, or what the request was ended for.
func (w *watch) why(err error) error {
	if cause := context.Cause(w.ctx); errors.Is(cause, ErrNotAnswering) {
		return cause
	}
	return err
}

// watchedBody ends the watch when it is closed.
type watchedBody struct {
	io.ReadCloser
	watch *watch
}

func (b watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.watch.why(err)
	}
	return n, err
}

func (b watchedBody) Close() error {
	defer b.watch.end()
	return b.ReadCloser.Close()
}

// alive asks for the version on a connection of its own. What is wrong with that
// but the time that it takes is for the request itself to meet.
func (c *Client) alive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience.alive)
	defer cancel()
	var pid atomic.Int64
	once := http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := c.dial(ctx)
			if err == nil {
				pid.Store(int64(listenerOf(conn)))
			}
			return conn, err
		},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://uvtep/v1/version", nil)
	if err != nil {
		return err
	}
	res, err := once.RoundTrip(req)
	if err == nil {
		return res.Body.Close()
	}
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil
	}
	return c.notAnswering(int(pid.Load()))
}

// notAnswering is the error that says what to do; pid is 0 where it is not known.
func (c *Client) notAnswering(pid int) error {
	who := "PID"
	if pid > 0 {
		who = fmt.Sprint(pid)
	}
	return fmt.Errorf("%w on %s: if it is stopped, kill -CONT %s has it go on; else end it with kill -KILL %s and start it again", ErrNotAnswering, c.path, who, who)
}

// dial connects to the daemon. Where as many wait as may, the kernel says so instead
// of waiting (unix_stream_connect in net/unix/af_unix.c, of a socket that does not block).
func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	end := time.Now().Add(c.patience.quiet + c.patience.alive)
	for {
		conn, err := d.DialContext(ctx, "unix", c.path)
		if !errors.Is(err, syscall.EAGAIN) {
			return conn, err
		}
		if time.Now().After(end) {
			return nil, c.notAnswering(0)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
