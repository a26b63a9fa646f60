package logging

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
)

// maxQueued is how many bytes may wait for the reader of the log.
const maxQueued = 256 << 10

// queue takes lines without waiting.
type queue struct {
	out    io.Writer
	format Format
	wake   chan struct{} // has an element while there is something to do
	total  atomic.Uint64 // lines lost since the start

	closing, done chan struct{}
	torn          bool // out ends within a line

	mu    sync.Mutex // held for a copy
	lines [][]byte
	size  int
	lost  uint64 // lines lost; no line is taken until a line of the log has said so

	recent recent
}

func newQueue(out io.Writer, format Format) *queue {
	return &queue{out: out, format: format, wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{})}
}

// Write queues a line. It never fails: a line without room is lost and counted.
func (q *queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := bytes.Clone(line)
	q.recent.add(kept)
	if q.lost > 0 || q.size+len(line) > maxQueued {
		q.lose()
	} else {
		q.lines = append(q.lines, kept)
		q.size += len(line)
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return len(line), nil
}

func (q *queue) lose() {
	q.lost++
	q.total.Add(1)
}

// next takes the oldest line; nil: there is none.
func (q *queue) next() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.lines) == 0 {
		q.lines = nil
		return nil
	}
	line := q.lines[0]
	q.lines[0] = nil
	q.lines = q.lines[1:]
	q.size -= len(line)
	return line
}

// writeAll writes the queued lines, however long that takes, and then how many later lines
// were lost.
func (q *queue) writeAll() {
	for line := q.next(); line != nil; line = q.next() {
		if !q.put(line) {
			q.mu.Lock()
			q.lose()
			q.mu.Unlock()
		}
	}
	q.tellLost()
}

// tellLost writes how many lines were lost, if any were. Then the queue takes lines again.
func (q *queue) tellLost() {
	q.mu.Lock()
	lost := q.lost
	q.mu.Unlock()
	if lost == 0 {
		return
	}
	var b bytes.Buffer
	slog.New(q.format.handler(&b)).Warn("log lines were lost: the reader of the log did not keep up, or could not be written to", "lines", lost)
	if q.put(b.Bytes()) {
		q.mu.Lock()
		q.lost -= lost
		q.mu.Unlock()
	}
}

// put writes a line, on a line of its own.
func (q *queue) put(line []byte) bool {
	if q.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := q.out.Write(line)
	if n > 0 {
		q.torn = line[n-1] != '\n'
	}
	return err == nil
}
