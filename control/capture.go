package control

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/capture"
	"github.com/uvtep/uvtep/internal/words"
	"github.com/uvtep/uvtep/vtep"
)

// captureQuery says what to capture, and how.
type captureQuery struct {
	vtep.CaptureConfig
	form  capture.Form
	count uint64 // of packets; 0: until an end
}

// captureOf reads the query of capture.
func captureOf(values url.Values) (q captureQuery, err error) {
	known := []string{"dev", "remote", "mac", "drops", "outer", "raw", "count"}
	for key, of := range values {
		if !slices.Contains(known, key) || len(of) != 1 {
			return q, api.Invalidf("%s=%s is no query of capture: write %s, each once", key, strings.Join(of, ","), strings.Join(known, "=, ")+"=")
		}
	}
	for key, to := range map[string]*bool{"drops": &q.Drops, "outer": &q.form.Outer, "raw": &q.form.Raw} {
		if *to = values.Get(key) == "true"; values.Has(key) && !*to {
			return q, api.Invalidf("%s=%s is no query of capture: write %s=true, or leave it out", key, values.Get(key), key)
		}
	}
	if values.Has("dev") {
		q.Link = values.Get("dev")
		err = words.ValidName(q.Link)
	}
	if err == nil && values.Has("remote") {
		var a netip.Addr
		if a, err = netip.ParseAddr(values.Get("remote")); err != nil {
			err = api.Invalidf("remote=%s is no IP address", values.Get("remote"))
		}
		q.Remote = encap.AddrFrom(a)
	}
	if err == nil && values.Has("mac") {
		q.MAC, err = macOf(values.Get("mac"))
	}
	if err == nil && values.Has("count") {
		if q.count, err = strconv.ParseUint(values.Get("count"), 10, 63); err != nil || q.count == 0 {
			err = api.Invalidf("count=%s is no number of packets", values.Get("count"))
		}
	}
	return q, err
}

// capture writes frames as pcapng until the client or the daemon ends. What the client reads
// too slowly for is left out and counted in the file; nothing waits for it.
func (s *Server) capture(w http.ResponseWriter, r *http.Request) {
	q, err := captureOf(r.URL.Query())
	if err == nil {
		err = s.peers.mayWrite(r.Context()) // frames are tenants' data
	}
	if err == nil && s.config.Capture == nil {
		err = api.ErrNoPath
	}
	var c *vtep.Capture
	if err == nil {
		c, err = s.config.Capture(q.CaptureConfig)
	}
	if err != nil {
		s.reply(w, r, nil, err)
		return
	}
	defer c.Close()
	out := http.NewResponseController(w)
	err = errors.Join(out.SetReadDeadline(time.Time{}), out.SetWriteDeadline(time.Now().Add(lineTimeout)))
	w.Header().Set("Content-Type", "application/x-pcapng")
	w.WriteHeader(http.StatusOK)
	if err == nil {
		err = writeCapture(r.Context(), deadlineWriter{w, out}, out, c, &q)
	}
	s.config.Log.Debug("control: capture ended", "error", err)
}

// deadlineWriter gives the reader some time for each write.
type deadlineWriter struct {
	w   io.Writer
	out *http.ResponseController
}

func (d deadlineWriter) Write(b []byte) (int, error) {
	if err := d.out.SetWriteDeadline(time.Now().Add(captureTimeout)); err != nil {
		return 0, err
	}
	return d.w.Write(b)
}

// captureTimeout is how long a reader may read nothing: a pager that waits for a key.
const captureTimeout = 10 * time.Minute

func writeCapture(ctx context.Context, w io.Writer, out *http.ResponseController, c *vtep.Capture, q *captureQuery) error {
	file, err := capture.NewWriter(w, q.Link, q.form)
	if err != nil {
		return err
	}
	if err := out.Flush(); err != nil { // the reader knows that the capture has begun
		return err
	}
	var list []vtep.Captured
	for {
		var lost uint64
		if list, lost, err = c.Read(ctx, list); err != nil {
			return err
		}
		for i := range list {
			if err := file.Write(&list[i]); err != nil {
				return err
			}
			if q.count > 0 && file.Packets() >= q.count {
				return errors.Join(file.Flush(), out.Flush())
			}
		}
		file.Lost(lost)
		if err := errors.Join(file.Flush(), out.Flush()); err != nil {
			return err
		}
	}
}
