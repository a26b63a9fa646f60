package top

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/status"
)

// TestScreen: links and remotes with their rates, drops, sessions and the verdict, in 80x24.
func TestScreen(t *testing.T) {
	m, _ := watched(1, usual())
	has(t, m, "uvtep v1.2.3  links 3  remotes 7  addresses 14207/1048576", "03:00:01  every 1s", "rx - ", "evpn 2 of 2 neighbours established, 28380 routes")
	if m.Rated() {
		t.Error("one look makes rates")
	}
	m, _ = watched(40, usual())
	has(t, m, "vxlan10 vni 1010", "vxlan20 vni 1020", "lab vni 7", "down", "192.0.2.3", "…11:1:a800:ff:fe00:7", "never",
		"rx-not-peer", "tx-too-big", "DROPS BY REASON", "degraded: vxlan10: drops rx-not-peer: ", "? help")
	lines := strings.Split(screen(m), "\n")
	if len(lines) != 24 {
		t.Errorf("%d lines", len(lines))
	}
	// The rates are those of the last second, and the busiest is the first.
	row := lines[5]
	if !strings.HasPrefix(row, "▸vxlan10") || !strings.Contains(row, "k") || !strings.ContainsAny(row, "▂▃▄▅▆▇█") {
		t.Errorf("the first row is %q", row)
	}
}

// TestSizes: whatever the size, and wherever the user is, no line is wider than the screen and
// there are no more of them.
func TestSizes(t *testing.T) {
	for _, o := range []Options{usual(), {Interval: time.Second}} {
		m, d := watched(50, o)
		for _, where := range [][]string{{}, {"2"}, {"3"}, {"4"}, {"1", "enter"}, {"esc", "down", "enter"}, {"?"}} {
			keys(m, where...)
			for width := 1; width < 220; width += 13 {
				for height := 1; height < 90; height += 9 {
					m.Resize(width, height)
					m.moveCursor("down")
					lines := strings.Split(screen(m), "\n")
					if len(lines) > height && height >= leastHeight {
						t.Fatalf("%v: %dx%d: %d lines", where, width, height, len(lines))
					}
					for _, l := range lines {
						if width >= leastWidth && height >= leastHeight && utf8.RuneCountInString(l) > width {
							t.Fatalf("%v: %dx%d: %q", where, width, height, l)
						}
					}
				}
			}
			m.Look(d.next())
		}
	}
}

// TestPlain: without colour there is none, and in another locale than UTF-8 all is ASCII.
func TestPlain(t *testing.T) {
	m, _ := watched(30, Options{Interval: time.Second})
	for _, where := range []string{"1", "2", "3", "4", "enter", "?"} {
		keys(m, where)
		s := m.View()
		for _, esc := range sgr.FindAllString(s, -1) {
			if !strings.Contains("\x1b[m \x1b[1m \x1b[2m \x1b[7m", esc) {
				t.Errorf("%s: %q is a colour", where, esc)
			}
		}
		for _, r := range s {
			if r > '~' {
				t.Fatalf("%s: %q is not ASCII:\n%s", where, r, s)
			}
		}
	}
	if m, _ = watched(30, usual()); !strings.Contains(m.View(), "\x1b[1;31m") || !strings.Contains(m.View(), "\x1b[36m") {
		t.Error("with colour there is none")
	}
}

// TestLists: each list by its key, sorted, reversed and filtered.
func TestLists(t *testing.T) {
	m, _ := watched(30, usual())
	first := func() string { return m.rows[0].key }
	keys(m, "tab")
	has(t, m, "[remotes]", "REMOTE, LINK", "192.0.2.2 vxlan10")
	if first() != "vxlan10/192.0.2.2" || len(m.rows) != 7 {
		t.Errorf("%d remotes, the busiest is %s", len(m.rows), first())
	}
	keys(m, "r")
	if has(t, m, "reversed"); first() == "vxlan10/192.0.2.2" {
		t.Error("reversed, the busiest is first")
	}
	keys(m, "r", "S")
	if has(t, m, "by name"); first() != "vxlan10/192.0.2.2" || m.rows[6].key != "vxlan10/2001:db8:4711:1:a800:ff:fe00:7" {
		t.Errorf("by name the first is %s", first())
	}
	keys(m, "S")
	if has(t, m, "by silence"); first() != "vxlan20/203.0.113.9" {
		t.Errorf("the most silent is %s", first())
	}
	keys(m, "3")
	has(t, m, "rx-not-peer", "rx-unknown-vni", "no link", "tx-unknown-vlan", "trunk0", "uvtep capture dev vxlan10 --drops shows them", "rx-not-peer: add the sender")
	keys(m, "4")
	has(t, m, "[findings 5]", "trunk0", "the link is down", " since the start: add the sender as")
	keys(m, "1", "/")
	typed(m, "203.0.113")
	if has(t, m, "filter: 203.0.113_", "vxlan20 vni 1020", "203.0.113.9"); len(m.rows) != 2 {
		t.Errorf("%d rows with the filter", len(m.rows))
	}
	keys(m, "enter")
	has(t, m, "filter: 203.0.113")
	lacks(t, m, "113_")
	keys(m, "3")
	has(t, m, "nothing here has 203.0.113: esc takes the filter away")
	keys(m, "esc", "/")
	typed(m, "too-bigg")
	keys(m, "backspace", "enter")
	if len(m.rows) != 1 || m.rows[0].drop.Reason != "tx-too-big" {
		t.Errorf("%d drops with the filter", len(m.rows))
	}
	keys(m, "/", "esc", "1", "/")
	typed(m, "vni 7")
	if len(m.rows) != 2 || first() != "lab" {
		t.Errorf("vni 7: %d rows", len(m.rows))
	}
	m.Paste("\x1b[31m\n8")
	has(t, m, "filter: vni 7[31m8_")
}

// TestCursor: the cursor stays at its row while rows move, and at the top where the user left it there.
func TestCursor(t *testing.T) {
	m, d := watched(5, usual())
	keys(m, "2", "down", "down")
	chosen := m.rows[2].key
	for range 30 {
		m.Look(d.next())
		if got := m.rows[m.at()].key; got != chosen {
			t.Fatalf("the cursor is at %s, want %s", got, chosen)
		}
		if !strings.Contains(screen(m), "▸") {
			t.Fatal("no cursor on the screen")
		}
	}
	keys(m, "end", "pgdown")
	if m.at() != len(m.rows)-1 {
		t.Errorf("at the end: row %d of %d", m.at(), len(m.rows))
	}
	keys(m, "home", "up")
	for range 30 {
		m.Look(d.next())
		if m.at() != 0 {
			t.Fatalf("the cursor left the top for %d", m.at())
		}
	}
	m.Look(Look{}) // a daemon without a link
	keys(m, "down", "enter", "pgdown")
	has(t, m, "links 0")
}

// TestPages: a link's FDB and a remote's counters, and the ways back.
func TestPages(t *testing.T) {
	m, d := watched(20, usual())
	if _, ask := m.Question(m.looked); ask {
		t.Error("a list asks of the FDB")
	}
	keys(m, "enter")
	has(t, m, "vxlan10  up  vni 1010  dstport 4789  local 192.0.2.1  mtu 1450 (route)", "packets,", "offloads tap udp-gso udp-gro  not filter (CAP_BPF is missing)",
		"drop rx-not-peer", "add the sender", "FDB 12400/16384, asking")
	e := answer(t, m, 100)
	if e.Filter.Dev != "vxlan10" || e.Filter.Dst.IsValid() || len(e.List) != 100 || e.More {
		t.Errorf("%+v", e.Question)
	}
	has(t, m, "FDB 12400/16384, 100 listed", "02:00:00:00:00:01 192.0.2.2", "dynamic")
	keys(m, "pgdown", "end")
	has(t, m, "02:00:00:00:00:64")
	if _, ask := m.Question(m.looked); ask {
		t.Error("asked again at once")
	}
	if _, ask := m.Question(m.looked.Add(entriesAge)); !ask {
		t.Error("the entries stay as they are")
	}
	keys(m, "/")
	typed(m, ":2f")
	if e = answer(t, m, 100); e.Text != ":2f" || len(e.List) != 1 {
		t.Errorf("%+v: %d entries", e.Question, len(e.List))
	}
	keys(m, "ctrl+u")
	typed(m, "02:00:00:00:00:AB")
	if e = answer(t, m, 1); e.Filter.MAC != "02:00:00:00:00:AB" || e.Text != "" {
		t.Errorf("a whole MAC address: %+v", e.Question)
	}
	keys(m, "ctrl+u")
	typed(m, "192.0.2.3")
	if e = answer(t, m, 1); e.Filter.Dst != netip.MustParseAddr("192.0.2.3") {
		t.Errorf("a remote: %+v", e.Question)
	}
	keys(m, "enter", "esc", "esc", "2", "end")
	m.chosen = "vxlan20/203.0.113.9"
	keys(m, "enter")
	has(t, m, "203.0.113.9  remote of vxlan20  learned  never heard", "trouble: it is port-unreachable, by 12 ICMP errors", "remote 203.0.113.9 port 4789: port-unreachable: start the VTEP",
		"uvtep ping 203.0.113.9 dev vxlan20", "FDB entries to it")
	if e = answer(t, m, 2); e.Filter.Dst != netip.MustParseAddr("203.0.113.9") || e.Filter.Dev != "vxlan20" {
		t.Errorf("%+v", e.Question)
	}
	d.links = d.links[:1]
	m.Look(d.next())
	has(t, m, "vxlan20 is gone: esc leads back")
	if _, ask := m.Question(m.looked); ask {
		t.Error("the FDB of a link that is gone is asked for")
	}
	keys(m, "esc")
	has(t, m, "[remotes]")
	keys(m, "3", "enter")
	has(t, m, "vxlan10  up")
}

// TestBounds: of the largest FDB a bounded part is read, and of thousands of links with many
// remotes a bounded number of series is kept.
func TestBounds(t *testing.T) {
	m, _ := watched(2, usual())
	keys(m, "enter")
	if e := answer(t, m, 1<<20); len(e.List) != MostEntries || !e.More {
		t.Errorf("%d entries are kept, more %t", len(e.List), e.More)
	}
	has(t, m, "1000 of them listed: / with a whole MAC address")
	keys(m, "/")
	typed(m, "none")
	read := 0
	e := Entries{Question: m.question()}
	if err := e.Read(func() (api.FDBEntry, error) { read++; return api.FDBEntry{MAC: "02:00:00:00:00:01"}, nil }); err != nil || read != MostScanned || !e.More {
		t.Errorf("%d entries are read for a filter that none passes, more %t, %v", read, e.More, err)
	}
	d := newDemo()
	d.links = d.links[:1]
	for i := range 5000 {
		l := *d.links[0]
		l.Netdev.Name, l.Spec.Name = fmt.Sprintf("v%d", i), fmt.Sprintf("v%d", i)
		d.links = append(d.links, &l)
	}
	d.links = append(d.links[:1], d.links...)
	m = New(usual())
	m.Look(d.next())
	m.Look(d.next())
	if n := len(m.history.of); n != mostSeries {
		t.Errorf("%d series", n)
	}
	keys(m, "end")
	if !strings.Contains(screen(m), "▸") {
		t.Error("no cursor at the end of a long list")
	}
	d.links = d.links[:2]
	m.Look(d.next())
	if n := len(m.history.of); n > 100 {
		t.Errorf("%d series of what is gone", n)
	}
}

// TestDaemonGone: the last report stays, with the reason above it, and rates begin anew after.
func TestDaemonGone(t *testing.T) {
	m, d := watched(20, usual())
	was := m.rows[0].key
	gone := Look{Err: errBroken}
	gone.At = demoStart.Add(100 * time.Second)
	m.Look(gone)
	gone.At = gone.At.Add(time.Second)
	m.Look(gone)
	has(t, m, "no answer since 03:01:40", "uvtep daemon is not running", was)
	if m.Rated() || strings.Contains(m.View(), "\x1b[2J") {
		t.Error("what the error has reaches the terminal, or the rates are of now")
	}
	for _, l := range d.links { // another daemon, which begins at 0
		l.Stats, l.Remotes[0].Rx = api.LinkStats{Drops: map[string]uint64{}}, api.Counts{}
	}
	d.step += 100
	m.Look(d.next())
	lacks(t, m, "no answer")
	has(t, m, "rx - ")
	m.Look(d.next())
	if !m.Rated() || m.report.Links[0].Rx.PacketsPS < 1000 || m.report.Links[0].Rx.PacketsPS > 1e6 {
		t.Errorf("after it came back: %+v", m.report.Links[0].Rx)
	}
	if s := m.history.spark("vxlan10", rxOf, 3, &m.options); !strings.Contains(s, " ") {
		t.Errorf("the gap does not show: %q", s)
	}
}

// TestAgent: an agent's line says which session is down, and that the agent is gone.
func TestAgent(t *testing.T) {
	m, d := watched(2, usual())
	m.Resize(120, 30)
	l := d.next()
	l.EVPN.Neighbours[1] = status.Neighbour{Address: netip.MustParseAddr("203.0.113.2"), State: "Active", LastError: "hold timer\x1b[0m expired"}
	m.Look(l)
	has(t, m, "evpn 1 of 2 neighbours established, 14190 routes; 203.0.113.2 is Active: hold timer?[0m expired")
	l = d.next()
	l.EVPN = &status.EVPN{Err: errBroken}
	m.Look(l)
	has(t, m, "evpn: uvtep daemon is not running")
	l = d.next()
	l.EVPN = nil
	m.Look(l)
	lacks(t, m, "evpn")
}

// TestPause: the screen stays while it is paused, and goes on.
func TestPause(t *testing.T) {
	m, d := watched(10, usual())
	keys(m, "space")
	has(t, m, "paused")
	was := screen(m)
	m.Look(d.next())
	if screen(m) != was {
		t.Error("the screen moves while it is paused")
	}
	keys(m, "space")
	m.Look(d.next())
	if has(t, m, "03:00:12"); screen(m) == was || !m.Rated() {
		t.Error("the screen stays after the pause")
	}
}

// TestHostileName: a name with an escape sequence, which Linux takes, does not reach the terminal.
func TestHostileName(t *testing.T) {
	d := newDemo()
	name := "\x1b[2Jé\x9bm\u202e"
	d.links[0].Netdev.Name, d.links[0].Spec.Name = name, name
	m := New(usual())
	m.Look(d.next())
	m.Look(d.next())
	for _, where := range [][]string{{}, {"2"}, {"3"}, {"4"}, {"1", "enter"}, {"esc", "down", "enter"}} {
		keys(m, where...)
		has(t, m, "?[2J??m?")
		if s := screen(m); strings.ContainsAny(s, "\x1bé\u202e") || strings.Contains(s, "\x9b") {
			t.Errorf("%v: %q", where, s)
		}
	}
}

// TestHelp: help fits 80x24, and any key leaves it for where the user was.
func TestHelp(t *testing.T) {
	m, _ := watched(3, usual())
	keys(m, "enter", "?")
	has(t, m, "q leaves", "HEARD", "uvtep explain", "any key goes back")
	keys(m, "x")
	has(t, m, "vxlan10  up")
	if m.Key("x") || !m.Key("q") || !m.Key("ctrl+c") {
		t.Error("q does not quit, or x does")
	}
	keys(m, "/")
	if m.Key("q") || !m.Key("ctrl+c") {
		t.Error("while a filter is typed, q quits, or ctrl+c does not")
	}
	for s := range strings.SplitSeq(helpText, "\n") {
		if len(s) > 80 {
			t.Errorf("%q is wider than 80", s)
		}
	}
}

// TestKeysAtRandom: no sequence of keys, looks and sizes is a fault.
func TestKeysAtRandom(t *testing.T) {
	all := []string{"up", "down", "pgup", "pgdown", "home", "end", "enter", "esc", "tab", "shift+tab", "1", "2", "3", "4", "s", "S", "r", "/", "a", "backspace", "space", "?", "left", "right", "f5", "ctrl+u", "é"}
	rnd := rand.New(rand.NewPCG(1, 2))
	m, d := watched(1, usual())
	for range 20000 {
		switch n := rnd.IntN(40); n {
		case 0:
			m.Look(d.next())
		case 1:
			l := Look{Err: errBroken}
			m.Look(l)
		case 2:
			m.Resize(rnd.IntN(200), rnd.IntN(60))
		case 3:
			if _, ask := m.Question(m.looked); ask {
				answer(t, m, rnd.IntN(50))
			}
		case 4:
			m.View()
		default:
			m.Key(all[rnd.IntN(len(all))])
		}
	}
}
