package control

import (
	"encoding/hex"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/words"
	"github.com/uvtep/uvtep/vtep"
)

// explain answers what the data path would do with a frame.
func (s *Server) explain(r *http.Request) (any, error) {
	q, err := questionOf(r.URL.Query())
	if err != nil {
		return nil, err
	}
	if s.config.Explain == nil {
		return nil, api.ErrNoPath
	}
	e, err := s.config.Explain(q)
	if err != nil {
		return nil, err
	}
	out := api.Explanation{Steps: []api.ExplainStep{}, Dropped: e.Dropped, Verdict: e.Verdict}
	for _, step := range e.Steps {
		wire := api.ExplainStep{Name: step.Name, Text: step.Text}
		if step.Drop != nil {
			wire.Drop = step.Drop.String()
		}
		out.Steps = append(out.Steps, wire)
	}
	for _, r := range e.Drops {
		out.Drops = append(out.Drops, r.String())
	}
	return out, nil
}

// questionOf reads the query of explain.
func questionOf(values url.Values) (q vtep.Question, err error) {
	known := []string{"dev", "frame", "from", "payload", "vni", "tos", "len"}
	for key, of := range values {
		if !slices.Contains(known, key) || len(of) != 1 {
			return q, api.Invalidf("%s=%s is no query of explain: write %s, each once", key, strings.Join(of, ","), strings.Join(known, "=, ")+"=")
		}
	}
	number := func(key string, bits int) (n uint64) {
		if err == nil && values.Has(key) {
			if n, err = strconv.ParseUint(values.Get(key), 10, bits); err != nil {
				err = api.Invalidf("%s=%s is no number of %d bits", key, values.Get(key), bits)
			}
		}
		return n
	}
	raw := func(key string) (b []byte) {
		if err == nil && values.Has(key) {
			if b, err = hex.DecodeString(values.Get(key)); err != nil {
				err = api.Invalidf("%s=%s is no hexadecimal: write two digits a byte", key, values.Get(key))
			} else if b == nil {
				b = []byte{}
			}
		}
		return b
	}
	if q.Link = values.Get("dev"); values.Has("dev") {
		err = words.ValidName(q.Link)
	}
	if err == nil && values.Has("from") {
		if q.From, err = netip.ParseAddr(values.Get("from")); err != nil {
			err = api.Invalidf("from=%s is no IP address", values.Get("from"))
		}
	}
	q.Frame, q.Payload, q.TOS = raw("frame"), raw("payload"), uint8(number("tos", 8))
	if n := int(number("len", 16)); n > len(q.Frame) {
		q.Frame = append(q.Frame, make([]byte, n-len(q.Frame))...)
	}
	if values.Has("vni") {
		q.VNI = new(encap.VNI(number("vni", 24)))
	}
	switch {
	case err != nil:
	case !q.From.IsValid() && q.Link == "":
		err = api.Invalidf("the question names no link: give dev, or from for a packet of the underlay")
	case !q.From.IsValid() && (q.Payload != nil || q.VNI != nil || values.Has("tos")):
		err = api.Invalidf("payload, vni and tos are a packet's: give from as well")
	}
	return q, err
}
