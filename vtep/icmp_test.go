package vtep_test

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

func complaint(a netip.Addr, k underlay.ICMPKind) underlay.ICMPError {
	return underlay.ICMPError{Dst: encap.AddrFrom(a), Port: 4789, Kind: k, Count: 1}
}

// TestICMP: what ICMP says of a remote is told where it begins and ends, counted,
// and changes nothing; what it says of others is ignored.
func TestICMP(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		sub, err := r.Subscribe(vtep.LinkEvents)
		must(t, err)
		defer sub.Close()
		for range 5 {
			r.host.Complain(complaint(addrB, underlay.PortUnreachable), complaint(addrC, underlay.PortUnreachable))
			time.Sleep(2 * time.Second)
		}
		r.host.Complain(complaint(addrB, underlay.Prohibited))
		time.Sleep(2 * time.Second)
		want := func(now bool) []vtep.Trouble {
			return []vtep.Trouble{
				{Remote: addrB, Port: 4789, Kind: vtep.PortUnreachable, Count: 5, Now: now},
				{Remote: addrB, Port: 4789, Kind: vtep.Prohibited, Count: 1, Now: now},
			}
		}
		check := func(now bool, kind vtep.EventKind) {
			t.Helper()
			info, err := r.Link(r.link)
			must(t, err)
			if w := want(now); len(info.Troubles) != 2 || info.Troubles[0] != w[0] || info.Troubles[1] != w[1] {
				t.Errorf("troubles %+v, want %+v", info.Troubles, w)
			}
			if info.ICMP[vtep.PortUnreachable] != 5 || info.ICMP[vtep.Prohibited] != 1 {
				t.Errorf("counted %v", info.ICMP)
			}
			events, lost, err := sub.Read(t.Context(), nil)
			if err != nil || lost != 0 || len(events) != 2 {
				t.Fatalf("%d events, %d lost, %v; want 2", len(events), lost, err)
			}
			for _, e := range events {
				if e.Kind != kind || e.Entry.Link != r.link || e.Entry.Remote.Addr != addrB || e.Entry.Remote.Port != 4789 {
					t.Errorf("event %+v", e)
				}
			}
		}
		check(true, vtep.TroubleBegan)
		if sent := r.out(frame(macB, macA, "x")); len(sent) != 1 {
			t.Errorf("%d packets were sent to a remote that ICMP complained of", len(sent))
		}
		time.Sleep(65 * time.Second)
		check(false, vtep.TroubleEnded)
		r.host.Complain(complaint(addrB, underlay.Prohibited))
		time.Sleep(2 * time.Second)
		if info, err := r.Link(r.link); err != nil || !info.Troubles[1].Now || info.Troubles[1].Count != 2 {
			t.Errorf("when it comes again: %+v", info.Troubles)
		}
	})
}

// TestICMPAnswered: a trouble ends soon after packets went to the remote and came from it without
// a further error, and neither while errors come nor where it is only heard.
func TestICMPAnswered(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		sub, err := r.Subscribe(vtep.LinkEvents)
		must(t, err)
		defer sub.Close()
		now := func(want bool) {
			t.Helper()
			info, err := r.Link(r.link)
			must(t, err)
			if len(info.Troubles) != 1 || info.Troubles[0].Now != want {
				t.Errorf("troubles %+v, want one that is %v", info.Troubles, want)
			}
		}
		for range 10 {
			r.out(frame(macB, macA, "asked"))
			r.host.Complain(complaint(addrB, underlay.PortUnreachable))
			r.in(addrB, frame(macA, macB, "by another port"))
			time.Sleep(time.Second)
		}
		now(true)
		for range 10 {
			r.in(addrB, frame(macA, macB, "heard"))
			time.Sleep(time.Second)
		}
		now(true)
		r.out(frame(macB, macA, "asked"))
		time.Sleep(2 * time.Second)
		now(false)
		if events, _, err := sub.Read(t.Context(), nil); err != nil || len(events) != 2 {
			t.Errorf("%d events, %v; want one beginning and one end", len(events), err)
		}
	})
}

// TestICMPIsBounded: however many remotes ICMP complains of, a link remembers so
// many, and the log has a line of them.
func TestICMPIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		h := net.Host(addrA)
		var log strings.Builder
		v := vtep.New(vtep.Config{Host: h, Log: slog.New(slog.NewTextHandler(&log, nil)), Workers: 1})
		go func() { _ = v.Run(t.Context()) }()
		must(t, v.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 42, Local: addrA}))
		var all []underlay.ICMPError
		for n := range 200 {
			a := netip.AddrFrom4([4]byte{203, 0, 113, byte(n)})
			must(t, v.FDBAppend(vtep.FDBEntry{Link: "vxlan0", Remote: vtep.Remote{Addr: a}}))
			all = append(all, complaint(a, underlay.PortUnreachable))
		}
		h.Complain(all...)
		time.Sleep(2 * time.Second)
		info, err := v.Link("vxlan0")
		must(t, err)
		if len(info.Troubles) != 64 || info.ICMP[vtep.PortUnreachable] != 200 {
			t.Errorf("%d troubles, counted %v; want 64, and 200", len(info.Troubles), info.ICMP)
		}
		if n := strings.Count(log.String(), "nobody listens"); n != 1 || !strings.Contains(log.String(), fmt.Sprintf("count=%d", 64)) {
			t.Errorf("%d lines:\n%s", n, &log)
		}
		must(t, v.Close())
	})
}
