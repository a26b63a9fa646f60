package vtep

import (
	"log/slog"

	"github.com/uvtep/uvtep/fdb"
)

// A condition that was not counted for quietTicks has ended. One that goes on is
// logged again each againTicks.
const (
	quietTicks fdb.Tick = 10
	againTicks fdb.Tick = 60
)

// condition is something that goes on for a while, such as frames that no route
// leads anywhere for. The control plane looks at its counter once a second, and the
// log has a line where it begins and one where it has ended, each with a count,
// however often it is counted in between. The zero value has not begun.
type condition struct {
	on   bool
	seen uint64   // the counter when it was last looked at
	from uint64   // and when the condition began
	told uint64   // and when it was last logged
	at   fdb.Tick // of that log line
	last fdb.Tick // when the counter was last seen to have grown
	rose fdb.Tick // when the condition began
}

// conditionText is what the log says of a condition. The texts are constants,
// since lines of the same text are limited together; a link's logger says whose
// they are.
type conditionText struct{ begins, goesOn, ends string }

// phase is what became of a condition since it was last looked at.
type phase uint8

const (
	unchanged phase = iota
	begins
	goesOn // and it is time to say so again
	ends
)

// step looks at a condition's counter, once a second. count is what was counted
// since the condition began (ends), was last logged (goesOn), or was last looked at (begins).
func (c *condition) step(now fdb.Tick, counter uint64) (p phase, count uint64) {
	grown := counter - c.seen
	c.seen = counter
	if grown > 0 {
		c.last = now
	}
	switch {
	case grown > 0 && !c.on:
		c.on, c.rose, c.at = true, now, now
		c.from, c.told = counter-grown, counter
		return begins, grown
	case c.on && now-c.last >= quietTicks:
		c.on = false
		return ends, counter - c.from
	case c.on && now-c.at >= againTicks:
		count = counter - c.told
		c.at, c.told = now, counter
		return goesOn, count
	}
	return unchanged, 0
}

// follow is step, and logs what became of the condition.
func (c *condition) follow(log *slog.Logger, now fdb.Tick, counter uint64, text *conditionText) phase {
	p, count := c.step(now, counter)
	switch p {
	case begins:
		log.Warn(text.begins, "count", count)
	case goesOn:
		log.Warn(text.goesOn, "count", count)
	case ends:
		log.Info(text.ends, "count", count, "seconds", int(c.last-c.rose))
	case unchanged:
	}
	return p
}
