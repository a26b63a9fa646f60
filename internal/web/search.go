package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uvtep/uvtep/api"
)

const (
	pageEntries = 50
	mostQuery   = 200 // bytes
	mostWords   = 8
	// turnTimeout is how long a search waits for those before it.
	turnTimeout = 5 * time.Second
	// lookForClient is after how many entries a search finds out that nobody waits for it any more.
	lookForClient = 1024
)

var (
	errQuery = errors.New("a search has at most 8 words and 200 bytes, and goes on behind what an answer told as next")
	errBusy  = errors.New("too many searches are under way: try again")
)

// Found is a page of entries that a search found.
type Found struct {
	Entries []api.FDBEntry `json:"entries"`
	Next    string         `json:"next,omitempty"` // as after: goes on behind them; "": these were the last
}

// searches are made one at a time, and take a part of one processor's time at most.
type searches struct {
	source Source
	links  func(context.Context) []string // all, in order
	turn   chan struct{}                  // has an element while a search is made, and a rest after it
}

// find finds the entries that have each word of the query in their MAC address, link, remote, state, owner or flags: a
// page of them, behind after. A whole MAC address is looked up.
func (s *searches) find(ctx context.Context, query, after string) (*Found, error) {
	words := strings.Fields(strings.ToLower(query))
	from, err := parseCursor(after)
	if err != nil || len(words) > mostWords || len(query) > mostQuery {
		return nil, errQuery
	}
	wait, cancel := context.WithTimeout(ctx, turnTimeout)
	defer cancel()
	select {
	case s.turn <- struct{}{}:
	case <-wait.Done():
		return nil, errBusy
	}
	begin := time.Now()
	defer func() { time.AfterFunc((searchShare-1)*time.Since(begin), func() { <-s.turn }) }()
	f := finder{ctx: ctx, words: words, from: from, found: &Found{Entries: []api.FDBEntry{}}}
	return f.found, f.all(s)
}

// cursor is the last entry of a page: of a MAC address with several remotes the n'th of them.
type cursor struct {
	link, mac string
	n         int
}

func parseCursor(text string) (c cursor, err error) {
	if text == "" {
		return c, nil
	}
	part := strings.Split(text, " ") // which no name of a link has
	if len(part) != 3 || len(text) > mostQuery {
		return c, errQuery
	}
	c.link, c.mac = part[0], part[1]
	c.n, err = strconv.Atoi(part[2])
	return c, err
}

func (c *cursor) String() string { return fmt.Sprintf("%s %s %d", c.link, c.mac, c.n) }

// finder is one search.
type finder struct {
	ctx    context.Context //nolint:containedctx // of the one request that it is
	words  []string
	from   cursor
	at     cursor // the entry that is looked at
	last   cursor // of the page
	looked int
	found  *Found
}

// all searches the links in order, those behind the cursor's first.
func (f *finder) all(s *searches) error {
	names := s.links(f.ctx)
	if f.from.link != "" {
		i := slices.Index(names, f.from.link)
		if i < 0 {
			return errQuery // the link has gone, or has another name
		}
		names = names[i:]
	}
	filter := api.FDBFilter{}
	for i, w := range f.words {
		if mac, ok := wholeMAC(w); ok {
			filter.MAC, f.words[i] = mac, mac
		} else if a, err := netip.ParseAddr(w); err == nil {
			f.words[i] = a.String()
		}
	}
	for _, name := range names {
		filter.Dev = name
		more := true
		_ = s.source.WalkFDB(&filter, func(e *api.FDBEntry) bool { // the error: the link has gone meanwhile
			more = f.entry(name, e)
			return more
		})
		if !more || f.ctx.Err() != nil {
			break
		}
	}
	return f.ctx.Err()
}

// entry looks at an entry; false: the page is full, or nobody waits for it.
func (f *finder) entry(link string, e *api.FDBEntry) bool {
	if f.looked++; f.looked%lookForClient == 0 && f.ctx.Err() != nil {
		return false
	}
	if f.at.link == link && f.at.mac == e.MAC {
		f.at.n++
	} else {
		f.at = cursor{link: link, mac: e.MAC}
	}
	if f.from.link == link && (e.MAC < f.from.mac || e.MAC == f.from.mac && f.at.n <= f.from.n) || !f.matches(e) {
		return true
	}
	if len(f.found.Entries) == pageEntries {
		f.found.Next = f.last.String()
		return false
	}
	f.found.Entries, f.last = append(f.found.Entries, *e), f.at
	return true
}

// matches reports whether each word is in a part of the entry.
func (f *finder) matches(e *api.FDBEntry) bool {
	for _, w := range f.words {
		has := strings.Contains(e.MAC, w) || strings.Contains(strings.ToLower(e.Dev), w) || e.Dst.IsValid() && strings.Contains(e.Dst.String(), w) ||
			strings.Contains(e.State, w) || strings.Contains(strings.ToLower(e.Owner), w) || e.ExternLearn && w == "extern_learn"
		if !has {
			return false
		}
	}
	return true
}

// wholeMAC is an Ethernet address as entries have it, of one in any of its forms.
func wholeMAC(word string) (string, bool) {
	mac, err := net.ParseMAC(word)
	if err != nil && len(word) == 12 {
		mac, err = net.ParseMAC(word[:4] + "." + word[4:8] + "." + word[8:])
	}
	if err != nil || len(mac) != 6 {
		return "", false
	}
	return mac.String(), true
}
