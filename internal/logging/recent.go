package logging

import "time"

// maxRecent is how many bytes of the latest lines are kept, for somebody who asks later. Of an
// ordinary daemon they are of hours, in trouble of minutes: one line a second of each text.
const maxRecent = 256 << 10

// recent keeps the latest lines, written or not. It is guarded by queue.mu.
type recent struct {
	lines []recentLine
	size  int
}

type recentLine struct {
	at   time.Time
	text []byte
}

func (r *recent) add(line []byte) {
	r.lines = append(r.lines, recentLine{time.Now(), line})
	r.size += len(line)
	n := 0
	for ; r.size > maxRecent; n++ {
		r.size -= len(r.lines[n].text)
		r.lines[n] = recentLine{}
	}
	r.lines = r.lines[n:]
}

// Recent are the latest lines, oldest first, with their time in each format.
func (q *queue) Recent() (lines []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, line := range q.recent.lines {
		text := string(line.text)
		if q.format == Journal { // the journal has the time itself
			text = line.at.UTC().Format(time.RFC3339Nano) + " " + text
		}
		lines = append(lines, text)
	}
	return lines
}
