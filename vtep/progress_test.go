package vtep_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// blocking is a host whose ports take no frame, and return none, until let go.
type blocking struct {
	*vteptest.Host
	held chan struct{}
}

func (h *blocking) OpenPort(c tap.Config) (vtep.Port, vtep.Netdev, error) {
	_, _, err := h.Host.OpenPort(c)
	d := &blockingDevice{h.Device(c.Name), h.held}
	return d, d, err
}

type blockingDevice struct {
	*vteptest.Device
	held chan struct{}
}

func (d *blockingDevice) WriteBatch(q int, frames []encap.Frame) (int, error) {
	<-d.held
	return d.Device.WriteBatch(q, frames)
}

// TestProgress: a worker that waits for frames does not hang, one that does not come back from a
// write does, and so does the control plane where nobody ends its seconds.
func TestProgress(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		h := net.Host(addrA)
		host := &blocking{h, make(chan struct{})}
		r := &rig{node: startNode(t, net, h, host, addrA), t: t, wire: net.Capture(), link: "vxlan0"}
		r.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB})
		time.Sleep(time.Minute)
		must(t, r.Progress())

		r.hear(addrB, pack(42, frame(macA, macB, "x")))
		time.Sleep(5 * time.Second)
		must(t, r.Progress())
		time.Sleep(8 * time.Second)
		if err := r.Progress(); err == nil || !strings.Contains(err.Error(), "1 workers") {
			t.Errorf("Progress while a write blocks: %v", err)
		}
		close(host.held)
		synctest.Wait()
		must(t, r.Progress())
	})
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		v := vtep.New(vtep.Config{Host: net.Host(addrA)})
		time.Sleep(9 * time.Second)
		must(t, v.Progress())
		time.Sleep(3 * time.Second)
		if err := v.Progress(); err == nil || !strings.Contains(err.Error(), "control plane") {
			t.Errorf("Progress of a VTEP that nobody runs: %v", err)
		}
		must(t, v.Close())
	})
}
