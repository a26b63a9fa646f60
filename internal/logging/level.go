package logging

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// ClassKey is the attribute that says which part of the daemon a line is of. A logger has it once, by With.
const ClassKey = "class"

// The classes.
const (
	Links   = "links"   // links, ports, their devices, remotes and frames
	Config  = "config"  // the configuration file and what follows it
	Control = "control" // the control API
	Metrics = "metrics" // scrapes
	Web     = "web"     // the status page
	Restart = "restart" // the state directory, and handing over to another daemon
	BGP     = "bgp"     // sessions of the EVPN agent
	EVPN    = "evpn"    // routes and addresses of the EVPN agent
)

func classes() []string { return []string{Links, Config, Control, Metrics, Web, Restart, BGP, EVPN} }

// Levels says from which level on lines are written.
type Levels struct {
	other slog.Level            // of classes that are not in class
	class map[string]slog.Level // nil: none is
}

// level reads a level.
func level(name string) (slog.Level, bool) {
	switch name {
	case "debug":
		return slog.LevelDebug, true
	case "info":
		return slog.LevelInfo, true
	case "warn":
		return slog.LevelWarn, true
	case "error":
		return slog.LevelError, true
	}
	return 0, false
}

// ParseLevels reads a list such as "warn,evpn=debug": a level for all lines, and others for those of a class. What it does
// not name is of level info.
func ParseLevels(list string) (l Levels, err error) {
	for word := range strings.SplitSeq(list, ",") {
		class, text, of := strings.Cut(strings.TrimSpace(word), "=")
		if !of {
			text = class
		}
		least, ok := level(text)
		switch {
		case !ok:
			return l, fmt.Errorf("%q is no level of the log: write debug, info, warn or error, or CLASS=LEVEL", word)
		case !of:
			l.other = least
		case !slices.Contains(classes(), class):
			return l, fmt.Errorf("%q is no class of the log: write one of %s", class, strings.Join(classes(), ", "))
		default:
			if l.class == nil {
				l.class = make(map[string]slog.Level)
			}
			l.class[class] = least
		}
	}
	return l, nil
}

// of is the level of a class.
func (l Levels) of(class string) slog.Level {
	if level, ok := l.class[class]; ok {
		return level
	}
	return l.other
}

// leveled leaves out records below the level of their class.
type leveled struct {
	next   slog.Handler
	levels Levels
	least  slog.Level // of the class
}

// Enabled implements slog.Handler.
func (h leveled) Enabled(_ context.Context, level slog.Level) bool { return level >= h.least }

// Handle implements slog.Handler.
func (h leveled) Handle(ctx context.Context, r slog.Record) error { return h.next.Handle(ctx, r) }

// WithAttrs implements slog.Handler.
func (h leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		if a.Key == ClassKey {
			h.least = h.levels.of(a.Value.String())
		}
	}
	h.next = h.next.WithAttrs(attrs)
	return h
}

// WithGroup implements slog.Handler.
func (h leveled) WithGroup(name string) slog.Handler {
	h.next = h.next.WithGroup(name)
	return h
}
