package tap

import (
	"strings"
	"testing"
)

// TestHubSurvives: a panic over an event ends the Watch calls with an error that says
// so, and not the loop that all share.
func TestHubSurvives(t *testing.T) {
	h := &hub{watchers: map[linkKey][]*watcher{}}
	w := newWatcher()
	h.move(w, linkKey{home, 7})
	h.survive(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		panic("by the test")
	})
	ev := w.take()
	if len(ev) != 1 || ev[0].err == nil || !strings.Contains(ev[0].err.Error(), "by the test") || !strings.Contains(ev[0].err.Error(), "TestHubSurvives") {
		t.Errorf("the watcher was told %v", ev)
	}
	h.survive(func() { h.notify(linkKey{home, 7}, event{neighbours: true}) })
	if ev := w.take(); len(ev) != 1 || !ev[0].neighbours {
		t.Errorf("afterwards the watcher was told %v", ev)
	}
}
