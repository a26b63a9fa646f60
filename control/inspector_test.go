package control

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"path/filepath"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/uvtep/uvtep/client"
)

// inspector holds what goes through a client to the description.
type inspector struct {
	t      *testing.T
	router routers.Router
	next   http.RoundTripper

	mu   sync.Mutex
	seen map[string]bool // "GET /v1/links 200"
}

func (i *inspector) RoundTrip(req *http.Request) (*http.Response, error) {
	route, params, err := i.router.FindRoute(req)
	if err != nil {
		i.t.Errorf("%s %s is not described: %v", req.Method, req.URL, err)
		return i.next.RoundTrip(req)
	}
	in := &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route}
	refused := openapi3filter.ValidateRequest(req.Context(), in)
	res, err := i.next.RoundTrip(req)
	if err != nil {
		return res, err
	}
	if refused != nil && res.StatusCode < 400 {
		i.t.Errorf("%s %s was done, but does not fit its description: %v", req.Method, req.URL, refused)
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: res.StatusCode, Header: res.Header}
	if t := res.Header.Get("Content-Type"); t == "application/x-ndjson" || t == "application/x-pcapng" {
		out.Options = &openapi3filter.Options{ExcludeResponseBody: true, IncludeResponseStatus: true}
	} else {
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return nil, err
		}
		res.Body = io.NopCloser(bytes.NewReader(body))
		out.SetBodyBytes(body)
		out.Options = &openapi3filter.Options{IncludeResponseStatus: true}
	}
	if err := openapi3filter.ValidateResponse(req.Context(), out); err != nil {
		i.t.Errorf("the answer to %s %s: %v", req.Method, req.URL, err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.seen[fmt.Sprintf("%s %s %d", req.Method, route.Path, res.StatusCode)] = true
	return res, nil
}

// inspected is a client of the server at path, by way of i.
func inspected(t *testing.T, path string, i *inspector) *client.Client {
	t.Helper()
	i.next = web(t, path)
	between := filepath.Join(t.TempDir(), "between.sock")
	l, err := net.Listen("unix", between)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "uvtep" },
		Transport:     i,
		FlushInterval: -1, // at once
		ErrorLog:      log.New(io.Discard, "", 0),
	}}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return dial(t, between)
}
