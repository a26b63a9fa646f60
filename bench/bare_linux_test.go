package bench

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// benchmarkBare compares bulk TCP with a C program that makes the same system calls and does nothing else: what is
// left between the two is uvtep's own.
func (h *harness) benchmarkBare(b *testing.B) {
	exe, absent := filepath.Join(b.TempDir(), "bare"), ""
	if out, err := exec.Command("cc", "-O3", "-pthread", "-o", exe, "bare/bare.c").CombinedOutput(); err != nil {
		absent = fmt.Sprintf("cc (Debian package gcc): %v: %s", err, out)
	}
	bare := system{
		name:   "bare",
		absent: func() string { return absent },
		attach: func(_ *pair, e end) error {
			p, err := e.host.Start(lab.Command{Path: exe, Args: []string{"vxlan0", "42", e.local.String(), e.remote.String(), "4789", fmt.Sprint(e.mtu - overhead)}})
			if err != nil {
				return err
			}
			if err := p.WaitStderr("bare: ready", 10*time.Second); err != nil {
				return err
			}
			return e.host.AddAddr("vxlan0", e.overlay)
		},
	}
	g := h.group("as-is")
	defer g.close(b)
	for _, streams := range []int{1, 4} {
		if streams > 1 && testing.Short() {
			continue
		}
		systems := []system{bare, daemon("uvtep", h.exe, nil, nil), daemon("uvtep-in-pieces", h.exe, []string{"--tunnel-gso=off"}, nil)}
		h.row(b, fmt.Sprintf("streams=%d/forward", streams), "bare", g.contestants(h.tcp(streams, false), systems...))
	}
}
