package vtep_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/vtep"
)

// TestStormIsLeft: a VTEP that has set a link aside leaves its sockets to another one, which hears both links on them, and
// sets the storm aside by itself.
func TestStormIsLeft(t *testing.T) {
	l := lab.ForTest(t)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a, err := l.Host("a")
	check(err)
	b, err := l.Host("b")
	check(err)
	w, err := l.Wire(a, b, lab.WireOptions{})
	check(err)
	check(a.AddAddr(w.A, netip.PrefixFrom(addrA, 24)))
	check(b.AddAddr(w.B, netip.PrefixFrom(addrB, 24)))
	begin := func(d vtep.Descriptors) (v *vtep.VTEP, log *lockedBuffer, end func() error) {
		t.Helper()
		host := &vtep.SystemHost{}
		host.Inherit(d)
		log = new(lockedBuffer)
		v = vtep.New(vtep.Config{Host: host, Log: slog.New(slog.NewTextHandler(log, nil)), Hold: d != nil})
		v.StormAt(2000)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- v.Run(ctx) }()
		end = sync.OnceValue(func() error {
			cancel()
			return <-done
		})
		t.Cleanup(func() { check(end()) })
		for vni, name := range map[encap.VNI]string{42: "vxlan0", 43: "vxlan1"} {
			check(a.Do(func() error { return v.AddLink(vtep.LinkConfig{Name: name, VNI: vni, Local: addrA, Remote: addrB}) }))
			check(v.SetLinkUp(name, true))
		}
		v.Start()
		if unused, refused := host.Disinherit(); len(unused) > 0 || refused != nil {
			t.Errorf("%v was not used: %v", unused, refused)
		}
		return v, log, end
	}
	said := func(log *lockedBuffer) {
		t.Helper()
		check(lab.Eventually(time.Minute, func() error {
			if !strings.Contains(log.String(), "received apart") {
				return errors.New("no storm is set aside: " + log.String())
			}
			return nil
		}))
	}
	v, log, end := begin(nil)
	if i, err := v.Link("vxlan0"); err != nil || !i.Offloads.Filter.On {
		t.Skip("there is no filter: ", i.Offloads.Filter.Reason, err)
	}
	stop := make(chan struct{})
	var sender sync.WaitGroup
	defer sender.Wait()
	defer close(stop)
	check(b.Do(func() error {
		c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addrA, encap.DefaultPort)))
		if err == nil {
			sender.Go(func() { storm(c, stop) })
		}
		return err
	}))
	said(log)
	left, err := v.Release()
	check(err)
	check(end())
	v, log, _ = begin(left)
	for _, name := range []string{"vxlan0", "vxlan1"} {
		check(lab.Eventually(time.Minute, func() error {
			if i, err := v.Link(name); err != nil || i.Stats.RxPackets < 100 {
				return fmt.Errorf("%s has received %d packets: %w", name, i.Stats.RxPackets, err)
			}
			return nil
		}))
	}
	said(log)
}
