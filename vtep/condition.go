package vtep

import (
	"log/slog"

	"github.com/uvtep/uvtep/fdb"
)

// A condition ends when its counter has not grown for quietTicks. One that goes on is logged
// again every againTicks.
const (
	quietTicks fdb.Tick = 10
	againTicks fdb.Tick = 60
)

// condition is something that goes on for a while, such as drops for want of a route. The
// control plane reads the condition's counter once a second. The log has one line where the
// condition begins and one where it has ended, each with a count, however often it was counted
// in between. The zero value has not begun.
type condition struct {
	on       bool
	seen     uint64   // the counter at the last look
	from     uint64   // the counter when the condition began
	logged   uint64   // the counter when the condition was last logged
	loggedAt fdb.Tick // when that was
	last     fdb.Tick // when the counter last grew
	began    fdb.Tick // when the condition began
}

// conditionText are the log lines of a condition. The texts are constants, since the log
// limits lines of one text together; a link's logger adds the link.
type conditionText struct{ begins, goesOn, ends string }

// phase is what happened to a condition since the last look.
type phase uint8

const (
	unchanged phase = iota
	begins
	goesOn // and it is time to log it again
	ends
)

// step reads a condition's counter, once a second. count is how much the counter has grown
// since the look before (begins), the last log line (goesOn) or the beginning (ends).
func (c *condition) step(now fdb.Tick, counter uint64) (p phase, count uint64) {
	grown := counter - c.seen
	c.seen = counter
	if grown > 0 {
		c.last = now
	}
	switch {
	case grown > 0 && !c.on:
		c.on, c.began, c.loggedAt = true, now, now
		c.from, c.logged = counter-grown, counter
		return begins, grown
	case c.on && now-c.last >= quietTicks:
		c.on = false
		return ends, counter - c.from
	case c.on && now-c.loggedAt >= againTicks:
		count = counter - c.logged
		c.loggedAt, c.logged = now, counter
		return goesOn, count
	}
	return unchanged, 0
}

// follow is step, and logs the phase.
func (c *condition) follow(log *slog.Logger, now fdb.Tick, counter uint64, text *conditionText) phase {
	p, count := c.step(now, counter)
	switch p {
	case begins:
		log.Warn(text.begins, "count", count)
	case goesOn:
		log.Warn(text.goesOn, "count", count)
	case ends:
		log.Info(text.ends, "count", count, "seconds", int(c.last-c.began))
	case unchanged:
	}
	return p
}
