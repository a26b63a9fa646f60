package top

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/uvtep/uvtep/api"
)

// Question is which entries of an FDB are to be listed.
type Question struct {
	Filter api.FDBFilter
	Text   string // that the MAC address, the remote or the state has; "": any
}

// What is read of an FDB, whatever it holds.
const (
	MostEntries = 1000  // that are kept
	MostScanned = 20000 // that are read for them
	// entriesAge is how old a list may be.
	entriesAge = 5 * time.Second
)

// Entries answers a Question.
type Entries struct {
	Question
	At   time.Time
	List []api.FDBEntry
	More bool // there are others, or may be
	Err  error
}

// Read takes entries from next, which ends with io.EOF, until it has enough.
func (e *Entries) Read(next func() (api.FDBEntry, error)) error {
	for range MostScanned {
		entry, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !e.has(&entry) {
			continue
		}
		if len(e.List) == MostEntries {
			break
		}
		e.List = append(e.List, entry)
	}
	e.More = true
	return nil
}

// has reports whether the question's text is in an entry.
func (q *Question) has(e *api.FDBEntry) bool {
	want := strings.ToLower(q.Text)
	return strings.Contains(e.MAC, want) || strings.Contains(e.State, want) || e.Dst.IsValid() && strings.Contains(e.Dst.String(), want)
}

// Question is what is to be asked of the FDB now, if anything.
func (m *Model) Question(now time.Time) (q Question, ask bool) {
	if m.page != linkPage && m.page != remotePage || m.err != nil {
		return q, false
	}
	if m.links[m.link] == nil {
		return q, false
	}
	q = m.question()
	return q, !same(&q, &m.entries.Question) || now.Sub(m.entries.At) >= entriesAge && !m.paused
}

// question is of the page's entries, and of those that the filter leaves. A whole MAC address or
// remote is found in an FDB of any size: the daemon looks for it.
func (m *Model) question() Question {
	q := Question{Filter: api.FDBFilter{Dev: m.link}}
	if m.page == remotePage {
		q.Filter.Dst = m.dst
	}
	dst, err := netip.ParseAddr(m.fdbFilter)
	switch {
	case wholeMAC(m.fdbFilter):
		q.Filter.MAC = m.fdbFilter
	case err == nil && m.page == linkPage:
		q.Filter.Dst = dst
	default:
		q.Text = m.fdbFilter
	}
	return q
}

func wholeMAC(s string) bool {
	if len(s) != len("00:00:00:00:00:00") {
		return false
	}
	for i, c := range []byte(s) {
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		if i%3 == 2 && c != ':' || i%3 != 2 && !hex {
			return false
		}
	}
	return true
}

func same(a, b *Question) bool {
	return a.Text == b.Text && a.Filter.Dev == b.Filter.Dev && a.Filter.MAC == b.Filter.MAC && a.Filter.Dst == b.Filter.Dst
}

// Entries takes an answer.
func (m *Model) Entries(e Entries) { m.entries = e }
