package top

import (
	"math"
	"strings"

	"github.com/uvtep/uvtep/internal/status"
)

const (
	// mostSamples are kept of each series: more than a wide screen shows.
	mostSamples = 120
	// mostSeries are kept, 1.4 KiB each: thousands of links with 64 remotes each would take
	// hundreds of megabytes. Those that had no place have no picture.
	mostSeries = 4096
)

// series are the latest rates of something, the oldest first. NaN stands for a look that failed.
type series struct {
	rx, tx, drops samples
	look          uint64 // the latest one that had it
}

type samples struct {
	values [mostSamples]float32
	next   int
	full   bool
}

func (s *samples) add(v float64) {
	s.values[s.next] = float32(v)
	if s.next++; s.next == mostSamples {
		s.next, s.full = 0, true
	}
}

// latest are the last n samples, fewer where there are no more.
func (s *samples) latest(n int) []float32 {
	have := s.next
	if s.full {
		have = mostSamples
	}
	n = min(n, have)
	out := make([]float32, n)
	for i := range out {
		out[i] = s.values[(s.next-n+i+mostSamples)%mostSamples]
	}
	return out
}

// history has the series of all that is shown, by key.
type history struct {
	of   map[string]*series
	look uint64
}

// The keys of series. No name of a device has a slash.
func remoteKey(link, dst string) string   { return link + "/" + dst }
func dropKey(where, reason string) string { return where + "//" + reason }

const totalKey = "/"

// add remembers a report.
func (h *history) add(r *status.Report, total *totals) {
	h.look++
	h.put(totalKey, total.rx.BitsPS, total.tx.BitsPS, total.dropsPS)
	for i := range r.Links {
		l := &r.Links[i]
		h.put(l.Name, l.Rx.BitsPS, l.Tx.BitsPS, dropsPS(l.Drops))
	}
	for _, d := range dropsOf(r) {
		h.put(dropKey(d.where, d.Reason), 0, 0, d.PS)
	}
	for i := range r.Links {
		l := &r.Links[i]
		for j := range l.Remotes {
			m := &l.Remotes[j]
			h.put(remoteKey(l.Name, m.Dst.String()), m.Rx.BitsPS, m.Tx.BitsPS, m.Rx.DroppedPS+m.Tx.DroppedPS)
		}
	}
	for key, s := range h.of {
		if s.look != h.look {
			delete(h.of, key) // it is gone
		}
	}
}

func (h *history) put(key string, rx, tx, drops float64) {
	s := h.of[key]
	if s == nil {
		if len(h.of) >= mostSeries {
			return
		}
		s = new(series)
		h.of[key] = s
	}
	s.rx.add(rx)
	s.tx.add(tx)
	s.drops.add(drops)
	s.look = h.look
}

// gap remembers that a look failed.
func (h *history) gap() {
	for _, s := range h.of {
		for _, v := range []*samples{&s.rx, &s.tx, &s.drops} {
			v.add(math.NaN())
		}
	}
}

// direction chooses the samples of a series.
type direction func(*series) *samples

func rxOf(s *series) *samples    { return &s.rx }
func txOf(s *series) *samples    { return &s.tx }
func dropsIn(s *series) *samples { return &s.drops }

// spark draws the latest rates in a width: the highest of them is the highest bar, 0 the lowest.
func (h *history) spark(key string, of direction, width int, o *Options) string {
	s := h.of[key]
	if s == nil {
		return strings.Repeat(" ", width)
	}
	values := of(s).latest(width)
	highest := float32(0)
	for _, v := range values {
		if v > highest { // false for NaN
			highest = v
		}
	}
	bars := []rune(o.bars())
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", width-len(values)))
	for _, v := range values {
		switch {
		case v != v: // NaN
			b.WriteByte(' ')
		case v <= 0:
			b.WriteRune(bars[0])
		default:
			b.WriteRune(bars[min(1+int(v/highest*float32(len(bars)-1)), len(bars)-1)])
		}
	}
	return b.String()
}
