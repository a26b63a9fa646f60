package metrics

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/uvtep/uvtep/vtep"
)

// hung is a source that does not answer until it is let go, or that panics.
type hung struct {
	many
	wait  chan struct{}
	panic bool
}

func (h hung) Links() []vtep.LinkInfo {
	if h.panic {
		panic("a fault")
	}
	<-h.wait
	return nil
}

func askHealth(s Source) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	healthz(s, slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
	return w
}

// TestHealthz: 200 from a VTEP that answers, whatever its links lack, and 503 from one that
// hangs.
func TestHealthz(t *testing.T) {
	w := askHealth(many{{Config: vtep.LinkConfig{Name: "vx1"}}, {Config: vtep.LinkConfig{Name: "vx2"}, Missing: "no device eth7"}})
	if want := `{"links":2,"incomplete":{"vx2":"no device eth7"}}` + "\n"; w.Code != http.StatusOK || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := askHealth(hung{panic: true}); w.Code != http.StatusInternalServerError {
		t.Errorf("a fault: %d", w.Code)
	}
	synctest.Test(t, func(t *testing.T) {
		h := hung{wait: make(chan struct{})}
		defer close(h.wait)
		if w := askHealth(h); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "does not answer") {
			t.Errorf("hung: %d %s", w.Code, w.Body)
		}
	})
}
