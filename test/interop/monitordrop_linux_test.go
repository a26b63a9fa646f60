package interop_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
)

// TestMonitorDrop: what is dropped is told once a second with its reason and
// number, never one line a packet, and nothing of it is left out.
func TestMonitorDrop(t *testing.T) {
	f := families()[0]
	sites := newSites(t, f, lab.WireOptions{}, uvtep, kernel)
	a, b := sites[0], sites[1]
	stranger := prefix(f.outer, 9)
	check(t, b.AddAddr(b.dev, stranger))
	a.addLink(t, link{remote: b.outer})
	p := must(a.Start(lab.Command{Path: exe, Args: []string{"--control", a.daemon.socket, "monitor", "drop"}}))(t)
	t.Cleanup(func() { _ = p.Close() })
	sent, before := 0, 0
	send := func(n int) {
		for range n {
			b.encapsulate(t, staticMAC(7), stranger.Addr(), a.outer)
		}
		sent += n
	}
	eventually(t, func() error { // until it listens
		before = sent
		send(1)
		return p.WaitStdout("dev vxlan0 reason rx-not-peer count ", soon/4)
	})
	send(500)
	eventually(t, func() error {
		if told, _ := notPeers(t, p.Stdout()); told < sent-before {
			return fmt.Errorf("%d of %d told: %s", told, sent-before, p.Stdout())
		}
		return nil
	})
	told, lines := notPeers(t, p.Stdout())
	if told > sent || lines > sent/10 {
		t.Errorf("%d lines tell of %d drops, %d were sent:\n%s", lines, told, sent, p.Stdout())
	}
	if got := a.daemon.counters(t, "vxlan0").Own.Drops["rx-not-peer"]; got != uint64(sent) {
		t.Errorf("%d counted, %d sent", got, sent)
	}
}

// notPeers adds up what lines say of packets that came from no peer.
func notPeers(t *testing.T, text string) (told, lines int) {
	t.Helper()
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); lines++ {
		if !strings.Contains(s.Text(), "rx-not-peer") {
			continue
		}
		var n int
		if _, err := fmt.Sscanf(s.Text(), "dev vxlan0 reason rx-not-peer count %d", &n); err != nil {
			t.Fatalf("%q: %v", s.Text(), err)
		}
		told += n
	}
	return told, lines
}

// TestMonitorUnknownVNI: packets of VNIs that no link has are told by VNI, whether the kernel drops them or uvtep does.
func TestMonitorUnknownVNI(t *testing.T) {
	t.Parallel()
	for _, off := range []string{"", "filter"} {
		t.Run("off="+off, func(t *testing.T) {
			t.Parallel()
			h := must(lab.ForTest(t).Host("a"))(t)
			own := netip.MustParseAddr("192.0.2.1")
			check(t, h.AddAddr("lo", netip.PrefixFrom(own, 32)))
			d := startDaemon(t, h, "--no-offload="+off, "vxlan0", "id", "42", "local", own.String())
			p := must(h.Start(lab.Command{Path: exe, Args: []string{"--control", d.socket, "-j", "monitor", "drop"}}))(t)
			t.Cleanup(func() { _ = p.Close() })
			send := func(vni encap.VNI, n int) {
				check(t, h.Do(func() error {
					conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(own, encap.DefaultPort)))
					if err != nil {
						return err
					}
					defer conn.Close()
					header := encap.HeaderFor(vni)
					for range n {
						if _, err := conn.Write(append(header[:], make([]byte, 60)...)); err != nil {
							return err
						}
					}
					return nil
				}))
			}
			eventually(t, func() error { // until it listens
				send(9, 1)
				return p.WaitStdout(`"vni":9`, soon/4)
			})
			send(0, 3)
			send(encap.MaxVNI, 2)
			told := func(vni encap.VNI) (sum int) {
				for s := bufio.NewScanner(strings.NewReader(p.Stdout())); s.Scan(); {
					var e struct {
						Drop struct {
							Reason string
							Count  int
							VNI    *encap.VNI
						}
					}
					if err := json.Unmarshal(s.Bytes(), &e); err != nil {
						t.Fatalf("%v: %s", err, s.Text())
					}
					if e.Drop.VNI != nil && *e.Drop.VNI == vni && e.Drop.Reason == "rx-unknown-vni" {
						sum += e.Drop.Count
					}
				}
				return sum
			}
			eventually(t, func() error {
				if zero, most := told(0), told(encap.MaxVNI); zero != 3 || most != 2 {
					return fmt.Errorf("%d packets of VNI 0 and %d of the largest one told, want 3 and 2: %s", zero, most, p.Stdout())
				}
				return nil
			})
		})
	}
}
