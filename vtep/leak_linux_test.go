package vtep_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep"
)

// TestSystemNothingLeft: links on real devices come, carry a frame and go, and
// leave no file descriptor and no goroutine.
func TestSystemNothingLeft(t *testing.T) {
	l := lab.ForTest(t)
	a, err := l.Host("a")
	must(t, err)
	b, err := l.Host("b")
	must(t, err)
	w, err := l.Wire(a, b, lab.WireOptions{})
	must(t, err)
	must(t, a.AddAddr(w.A, netip.PrefixFrom(addrA, 24)))
	must(t, b.AddAddr(w.B, netip.PrefixFrom(addrB, 24)))
	v := vtep.New(vtep.Config{Host: &inside{in: a}, Log: slog.New(slog.DiscardHandler)})
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- v.Run(ctx) }()
	defer func() {
		cancel()
		must(t, <-done)
	}()
	once := func(i int) {
		c := vtep.LinkConfig{Name: fmt.Sprint("vxlan", i), VNI: encap.VNI(i), Remote: addrB, Local: addrA, Dev: w.A}
		if i%3 == 0 {
			c.Remote, c.Group = netip.Addr{}, group
		}
		must(t, v.AddLink(c))
		must(t, v.SetLinkUp(c.Name, true))
		socket, err := a.OpenPacket(c.Name)
		must(t, err)
		must(t, socket.Send(frame(bcast, macC, "x").Data))
		must(t, lab.Eventually(5*time.Second, func() error {
			info, err := v.Link(c.Name)
			if err == nil && info.Stats.TxPackets == 0 {
				err = fmt.Errorf("nothing was sent: %+v", info.Stats)
			}
			return err
		}))
		must(t, socket.Close())
		must(t, v.DelLink(c.Name))
		if a.HasLink(c.Name) {
			t.Errorf("%s is still there", c.Name)
		}
	}
	once(0) // what is made once and kept
	files, goroutines := openFiles(t), runtime.NumGoroutine()
	for i := range 60 {
		once(i + 1)
	}
	err = lab.Eventually(5*time.Second, func() error {
		if f, g := openFiles(t), runtime.NumGoroutine(); f > files || g > goroutines {
			return fmt.Errorf("%d files and %d goroutines, before %d and %d", f, g, files, goroutines)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// openFiles is how many file descriptors this process holds.
func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(all)
}

// inside is the system as a process in a lab's host sees it, whichever of the
// VTEP's goroutines asks.
type inside struct {
	vtep.SystemHost
	in *lab.Host
}

func (h *inside) OpenPort(c tap.Config) (p vtep.Port, d vtep.Netdev, err error) {
	err = h.in.Do(func() (err error) { p, d, err = h.SystemHost.OpenPort(c); return err })
	return p, d, err
}

func (h *inside) Listen(c underlay.ReceiverConfig) (r vtep.Receiver, sockets int, err error) {
	err = h.in.Do(func() (err error) { r, sockets, err = h.SystemHost.Listen(c); return err })
	return r, sockets, err
}

func (h *inside) OpenTransmitter(c underlay.TransmitterConfig) (x vtep.Transmitter, ports []uint16, err error) {
	err = h.in.Do(func() (err error) { x, ports, err = h.SystemHost.OpenTransmitter(c); return err })
	return x, ports, err
}

func (h *inside) RouteTo(dst netip.Addr, device string) (r underlay.Route, err error) {
	err = h.in.Do(func() (err error) { r, err = h.SystemHost.RouteTo(dst, device); return err })
	return r, err
}

func (h *inside) Interface(name string) (i underlay.Interface, err error) {
	err = h.in.Do(func() (err error) { i, err = h.SystemHost.Interface(name); return err })
	return i, err
}

func (h *inside) Origins(known map[uint32]underlay.Device) (o underlay.Origins, err error) {
	err = h.in.Do(func() (err error) { o, err = h.SystemHost.Origins(known); return err })
	return o, err
}
