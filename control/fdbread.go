package control

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/vtep"
)

// chunkTimeout is how long a reader of the FDB may leave a chunk of it unread
// before it is cut off.
const chunkTimeout = 60 * time.Second

// chunkSize is how much of a list is written at a time, in bytes.
const chunkSize = 16 << 10

// fdb answers GET /v1/fdb: a JSON array, written while the tables are walked, so
// that a list of any length takes the same memory.
func (s *Server) fdb(w http.ResponseWriter, r *http.Request) {
	out := newEntryWriter(w)
	err := s.walkFDB(r, out.put)
	switch {
	case err == nil:
		err = out.end()
	case !out.begun:
		s.reply(w, r, nil, err)
		return
	}
	if err != nil {
		s.config.Log.Debug("control: answer", "path", r.URL.Path, "error", err)
	}
}

// walkFDB calls put with each entry that r asks for until it returns false.
func (s *Server) walkFDB(r *http.Request, put func(*vtep.FDBEntry) bool) error {
	f, err := api.ParseFDBFilter(r.URL.Query())
	if err != nil {
		return err
	}
	filter, err := filterOf(&f)
	if err != nil {
		return err
	}
	of, err := s.linksOf(&f)
	if err != nil {
		return err
	}
	none := selectsNone(&f)
	return s.config.Backend.WalkFDB(filter, func(e *vtep.FDBEntry) bool {
		if none {
			return false
		}
		return of != nil && !of[e.Link] || put(e)
	})
}

// linksOf are the names of the links whose entries f selects by their VNI or their
// bridge; nil where it says neither.
func (s *Server) linksOf(f *api.FDBFilter) (map[string]bool, error) {
	if f.Br == "" && f.SrcVNI == nil {
		return nil, nil
	}
	bridge := 0
	if f.Br != "" {
		var err error
		if bridge, err = s.config.Netdevs.Find(f.Br); err != nil {
			return nil, fmt.Errorf("%w %q", vtep.ErrNoLink, f.Br)
		}
	}
	of := make(map[string]bool)
	for _, info := range s.config.Backend.Links() {
		d := netdevOf(&info)
		is := f.SrcVNI == nil || uint32(info.Config.VNI) == *f.SrcVNI
		if is && bridge != 0 {
			master, err := s.config.Netdevs.Master(&d)
			is = err == nil && master == bridge
		}
		of[d.Name] = is
	}
	return of, nil
}

// entryWriter writes entries as a JSON array, the bytes that json.Encoder makes of a
// slice of them. Its methods are those of one answer.
type entryWriter struct {
	w     http.ResponseWriter
	out   *http.ResponseController
	chunk *bufio.Writer
	one   bytes.Buffer // an entry, and the line's end that the encoder adds
	lines *json.Encoder
	begun bool
	err   error
}

func newEntryWriter(w http.ResponseWriter) *entryWriter {
	e := &entryWriter{w: w, out: http.NewResponseController(w)}
	e.chunk = bufio.NewWriterSize(e, chunkSize)
	e.lines = json.NewEncoder(&e.one)
	return e
}

// Write writes a chunk. The server's limit of time is for answers that it knows
// the length of; not to have one is no fault here.
func (e *entryWriter) Write(chunk []byte) (int, error) {
	_ = e.out.SetWriteDeadline(time.Now().Add(chunkTimeout))
	return e.w.Write(chunk)
}

// put writes one entry; false: it cannot be written.
func (e *entryWriter) put(entry *vtep.FDBEntry) bool {
	e.begin(",")
	e.one.Reset()
	if e.err = e.lines.Encode(entryOf(*entry)); e.err == nil {
		_, e.err = e.chunk.Write(bytes.TrimSuffix(e.one.Bytes(), []byte("\n")))
	}
	return e.err == nil
}

// begin writes what stands before an entry: the list's beginning, or else more.
func (e *entryWriter) begin(more string) {
	if e.begun {
		_, _ = e.chunk.WriteString(more) // a bufio.Writer keeps its error
		return
	}
	e.begun = true
	e.w.Header().Set("Content-Type", "application/json")
	e.w.WriteHeader(http.StatusOK)
	_, _ = e.chunk.WriteString("[")
}

func (e *entryWriter) end() error {
	e.begin("")
	_, _ = e.chunk.WriteString("]\n")
	if e.err != nil {
		return e.err
	}
	return e.chunk.Flush()
}
