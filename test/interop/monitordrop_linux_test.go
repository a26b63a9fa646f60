package interop_test

import (
	"bufio"
	"fmt"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// TestMonitorDrop: what is dropped is told once a second with its reason and
// number, never one line a packet, and nothing of it is left out.
func TestMonitorDrop(t *testing.T) {
	f := families()[0]
	sites := newSites(t, f, lab.WireOptions{}, uvtep, kernel)
	a, b := sites[0], sites[1]
	stranger := prefix(f.outer, 9)
	check(t, b.AddAddr(b.dev, stranger))
	a.addLink(t, link{remote: b.outer})
	p := must(a.Start(lab.Command{Path: exe, Args: []string{"--control", a.daemon.socket, "monitor", "drop"}}))(t)
	t.Cleanup(func() { _ = p.Close() })
	sent, before := 0, 0
	send := func(n int) {
		for range n {
			b.encapsulate(t, staticMAC(7), stranger.Addr(), a.outer)
		}
		sent += n
	}
	eventually(t, func() error { // until it listens
		before = sent
		send(1)
		return p.WaitStdout("dev vxlan0 reason rx-not-peer count ", soon/4)
	})
	send(500)
	eventually(t, func() error {
		if told, _ := notPeers(t, p.Stdout()); told < sent-before {
			return fmt.Errorf("%d of %d told: %s", told, sent-before, p.Stdout())
		}
		return nil
	})
	told, lines := notPeers(t, p.Stdout())
	if told > sent || lines > sent/10 {
		t.Errorf("%d lines tell of %d drops, %d were sent:\n%s", lines, told, sent, p.Stdout())
	}
	if got := a.daemon.counters(t, "vxlan0").Own.Drops["rx-not-peer"]; got != uint64(sent) {
		t.Errorf("%d counted, %d sent", got, sent)
	}
}

// notPeers adds up what lines say of packets that came from no peer.
func notPeers(t *testing.T, text string) (told, lines int) {
	t.Helper()
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); lines++ {
		if !strings.Contains(s.Text(), "rx-not-peer") {
			continue
		}
		var n int
		if _, err := fmt.Sscanf(s.Text(), "dev vxlan0 reason rx-not-peer count %d", &n); err != nil {
			t.Fatalf("%q: %v", s.Text(), err)
		}
		told += n
	}
	return told, lines
}
