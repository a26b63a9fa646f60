package metrics

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/uvtep/uvtep/internal/fault"
)

// healthTimeout is how long the VTEP may take to say how it is. What holds its lock longer
// than that hangs.
const healthTimeout = 5 * time.Second

// health is the answer of GET /healthz.
type health struct {
	Links int `json:"links"`
	// Incomplete are links that lack something, by name, and what. That is no reason to end
	// the daemon, which waits for it, so that the status is 200 all the same.
	Incomplete map[string]string `json:"incomplete,omitempty"`
}

// healthz says 200 where the VTEP answers, and 503 where it does not within healthTimeout:
// for what starts a daemon again that hangs.
func healthz(source Source, log *slog.Logger) http.Handler {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var answer health
		if fault.Catch(log, "GET /healthz", func() {
			links := source.Links()
			answer.Links = len(links)
			for i := range links {
				if why := links[i].Missing; why != "" {
					if answer.Incomplete == nil {
						answer.Incomplete = make(map[string]string)
					}
					answer.Incomplete[links[i].Config.Name] = why
				}
			}
		}) {
			http.Error(w, "a fault of uvtep: its log has the stack", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer) // who asked may be gone
	})
	return http.TimeoutHandler(h, healthTimeout, "the daemon does not answer: see its log, or start it again\n")
}
