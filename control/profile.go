package control

import (
	"net/http"
	"runtime/pprof"
	"strconv"
	"time"

	"github.com/uvtep/uvtep/api"
)

// Profiles of the daemon are for those who may change it alone, and on the socket alone: taking one costs time, and stacks
// say what it is doing.

// longestProfile bounds a profile of processor time.
const longestProfile = 60 * time.Second

// profileQuery says which profile, and how.
type profileQuery struct {
	name  string
	debug int // 1: as text
	time  time.Duration
}

// profileOf reads the query of profile.
func profileOf(r *http.Request) (q profileQuery, err error) {
	q = profileQuery{name: r.PathValue("name"), time: 30 * time.Second}
	if r.FormValue("debug") != "" {
		q.debug = 1
	}
	if q.name != "profile" && pprof.Lookup(q.name) == nil {
		return q, api.Invalidf("there is no profile %s: write allocs, block, goroutine, heap, mutex, profile or threadcreate", q.name)
	}
	if text := r.FormValue("seconds"); text != "" {
		n, err := strconv.Atoi(text)
		if q.time = time.Duration(n) * time.Second; err != nil || n < 1 || q.time > longestProfile {
			return q, api.Invalidf("seconds=%s is out of range: 1 to %d", text, int(longestProfile.Seconds()))
		}
	}
	return q, nil
}

// profile answers GET /debug/pprof/NAME as net/http/pprof does: in the format of `go tool pprof`, or as text with debug=1.
func (s *Server) profile(w http.ResponseWriter, r *http.Request) {
	q, err := profileOf(r)
	if err == nil {
		err = s.peers.mayWrite(r.Context())
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(q.time + writeTimeout)) // unless the client has gone
	if err == nil && q.name == "profile" {
		// From here on a goroutine of the profiler's writes to w, until the profile is stopped.
		if err = pprof.StartCPUProfile(w); err != nil {
			err = api.Invalidf("%v: try again when the other profile is done", err)
		}
	}
	if err != nil {
		s.reply(w, r, nil, err)
		return
	}
	if q.name == "profile" {
		end := time.NewTimer(q.time)
		defer end.Stop()
		select {
		case <-end.C:
		case <-r.Context().Done():
		}
		pprof.StopCPUProfile()
		return
	}
	if err := pprof.Lookup(q.name).WriteTo(w, q.debug); err != nil {
		s.config.Log.Debug("control: profile", "name", q.name, "error", err)
	}
}
