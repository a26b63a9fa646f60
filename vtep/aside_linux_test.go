package vtep_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/vtep"
)

// TestStormIsSetAside: a link that gets more packets than all others is received by a thread that gives way, loses
// nothing of what there is time for, and is as the others again when the storm is over, or it is gone.
func TestStormIsSetAside(t *testing.T) {
	l := lab.ForTest(t)
	before := runtime.GOMAXPROCS(0)
	a, err := l.Host("a")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(err)
	b, err := l.Host("b")
	check(err)
	w, err := l.Wire(a, b, lab.WireOptions{})
	check(err)
	check(a.AddAddr(w.A, netip.PrefixFrom(addrA, 24)))
	check(b.AddAddr(w.B, netip.PrefixFrom(addrB, 24)))
	var log lockedBuffer
	v := vtep.New(vtep.Config{Host: &vtep.SystemHost{}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	v.StormAt(2000)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	defer func() {
		cancel()
		check(<-done)
	}()
	for vni, name := range map[encap.VNI]string{42: "vxlan0", 43: "vxlan1"} {
		check(a.Do(func() error { return v.AddLink(vtep.LinkConfig{Name: name, VNI: vni, Local: addrA, Remote: addrB}) }))
		check(v.SetLinkUp(name, true))
	}
	if i, err := v.Link("vxlan0"); err != nil || !i.Offloads.Filter.On {
		t.Skip("there is no filter: ", i.Offloads.Filter.Reason, err)
	}
	stop := make(chan struct{})
	var sender sync.WaitGroup
	defer sender.Wait()
	end := sync.OnceFunc(func() { close(stop) })
	defer end()
	check(b.Do(func() error {
		c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addrA, encap.DefaultPort)))
		if err == nil {
			sender.Go(func() { storm(c, stop) })
		}
		return err
	}))
	said := func(what string) {
		t.Helper()
		check(lab.Eventually(time.Minute, func() error {
			if !strings.Contains(log.String(), what) {
				return errors.New("the log does not say " + what + ": " + log.String())
			}
			return nil
		}))
	}
	said(`received apart`)
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "received apart") && strings.Contains(line, "link=vxlan0") {
			t.Errorf("of the other link: %s", line)
		}
	}
	received := func(name string) uint64 {
		i, err := v.Link(name)
		check(err)
		return i.Stats.RxPackets
	}
	for _, name := range []string{"vxlan0", "vxlan1"} {
		had := received(name)
		check(lab.Eventually(10*time.Second, func() error {
			if n := received(name) - had; n < 100 {
				return errors.New(name + " is received no more")
			}
			return nil
		}))
	}
	if procs := runtime.GOMAXPROCS(0); procs != before+1 {
		t.Errorf("Go uses %d processors, %d before", procs, before)
	}
	end()
	said(`with those of the other links again`)
	if procs := runtime.GOMAXPROCS(0); procs != before {
		t.Errorf("Go uses %d processors, %d before", procs, before)
	}
}

// storm sends VXLAN packets until stop is closed: one of VNI 42 beside 100 of VNI 43.
func storm(c *net.UDPConn, stop <-chan struct{}) {
	defer c.Close()
	packet := make([]byte, encap.HeaderLen+60)
	copy(packet[encap.HeaderLen:], []byte{2, 0x5b, 0, 0, 0, 1, 2, 0x5b, 0, 0, 0, 2, 0x88, 0xb5}) // a type for experiments
	for i := 0; ; i++ {
		h := encap.HeaderFor(43)
		if i%100 == 0 {
			h = encap.HeaderFor(42)
			select {
			case <-stop:
				return
			default:
			}
		}
		copy(packet, h[:])
		_, _ = c.Write(packet)
	}
}
