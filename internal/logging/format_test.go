package logging

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestFormats: what a line looks like in each format, behind a line of the daemon that is no record.
func TestFormats(t *testing.T) {
	for format, want := range map[Format]string{
		Text:    `level=WARN msg="all is well" class=links link="vx 0"` + "\n",
		Journal: `<4>msg="all is well" class=links link="vx 0"` + "\n",
		JSON:    `"level":"WARN","msg":"all is well","class":"links","link":"vx 0"}` + "\n",
	} {
		t.Run(string(format), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r reader
				l := New(&r, format, Levels{})
				go l.Run()
				fmt.Fprintln(l, "uvtep: ready")
				l.Of(Links).Warn("all is well", "link", "vx 0")
				l.Close(time.Second)
				raw, line, _ := strings.Cut(r.b.String(), "\n")
				if raw != "uvtep: ready" || !strings.HasSuffix(line, want) {
					t.Errorf("%q, %q, want %q", raw, line, want)
				}
				if format == JSON && !json.Valid([]byte(line)) {
					t.Errorf("%q is no JSON", line)
				}
				if format != Journal && !strings.Contains(line, "time") {
					t.Errorf("%q has no time", line)
				}
			})
		})
	}
}

// TestPriorities: the journal's priority of each level (syslog(3)).
func TestPriorities(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(Journal.handler(&b)).WithGroup("of").With("a", 1)
	log.Debug("7")
	log.Info("6")
	log.Warn("4")
	log.Error("3")
	if want := "<7>msg=7 of.a=1\n<6>msg=6 of.a=1\n<4>msg=4 of.a=1\n<3>msg=3 of.a=1\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

// TestLevels: what a class's level leaves out, and texts that say none.
func TestLevels(t *testing.T) {
	levels, err := ParseLevels("warn, evpn=debug,bgp=error")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for class, want := range map[string]string{Links: "WARN ERROR", EVPN: "DEBUG INFO WARN ERROR", BGP: "ERROR"} {
		b.Reset()
		log := slog.New(leveled{next: Text.handler(&b), levels: levels, least: levels.other}).With(ClassKey, class).With("link", "vx0")
		log.Debug("x")
		log.Info("x")
		log.Warn("x")
		log.Error("x")
		var got []string
		for line := range strings.Lines(b.String()) {
			_, rest, _ := strings.Cut(line, "level=")
			level, _, _ := strings.Cut(rest, " ")
			got = append(got, level)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("class %s: %s, want %s", class, got, want)
		}
	}
	for _, bad := range []string{"", "loud", "evpn=", "tap=debug", "info,evpn=loud"} {
		if _, err := ParseLevels(bad); err == nil || !strings.Contains(err.Error(), "write ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := ParseFormat("xml"); err == nil {
		t.Error("xml is a format")
	}
}
