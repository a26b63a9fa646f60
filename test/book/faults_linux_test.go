package book_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// fault is something that goes wrong between hosts a and b, whose links have each other as remotes, and the command
// that who meets it tries first.
type fault struct {
	name string
	make string // a script for each host, "HOST: LINES"; c has a daemon as well
	mend string
	talk bool   // while the command runs, a and b talk
	ask  string // "HOST: COMMAND"
	want string // in the last line of what it prints; with " ... " before, anywhere
}

// tenFaults are those of docs/troubleshooting.md, some in two forms.
func tenFaults() []fault {
	return []fault{
		{
			name: "wrong port", talk: true, ask: "a: uvtep status",
			make: "b: uvtep link set vxlan0 dstport 8472",
			want: "remote 192.0.2.2 port 4789: port-unreachable: start the VTEP there, or give this link the port",
		},
		{
			name: "wrong VNI", talk: true, ask: "b: uvtep status",
			make: "b: uvtep link del vxlan0; uvtep link add vxlan0 id 43 local 192.0.2.2 remote 192.0.2.1 address 02:00:5e:00:53:02; uvtep link set vxlan0 up; ip addr add 198.51.100.2/24 dev vxlan0",
			want: "drops rx-unknown-vni: ",
		},
		{
			name: "MTU 50 short, of the link", ask: "a: uvtep check",
			make: "a: uvtep link set vxlan0 mtu 1500",
			want: "mtu: vxlan0: mtu 1500 needs 1550 bytes of the underlay, and the route to 192.0.2.2 has 1500: uvtep link set vxlan0 mtu 1450",
		},
		{
			name: "MTU 50 short, of the path", ask: "a: uvtep check", // a veth takes 4 bytes more than its MTU
			make: "b: ip link set eth0 mtu 1450",
			mend: "b: ip link set eth0 mtu 1500",
			want: "path-mtu: vxlan0: of 1500 bytes only 145",
		},
		{
			name: "firewall that refuses what leaves", talk: true, ask: "a: uvtep status",
			make: "a: nft 'table inet f { chain out { type filter hook output priority 0; udp dport 4789 drop; }; }'",
			mend: "a: nft delete table inet f",
			want: "drops tx-refused: ",
		},
		{
			name: "firewall that drops what comes, there", talk: true, ask: "a: uvtep ping 192.0.2.2 dev vxlan0 --overlay 198.51.100.2",
			make: "b: nft 'table inet f { chain in { type filter hook input priority 0; udp dport 4789 drop; }; }'",
			mend: "b: nft delete table inet f",
			want: "look for a firewall that drops UDP 4789",
		},
		{
			name: "firewall that drops what comes, here", talk: true, ask: "a: uvtep ping 192.0.2.2 dev vxlan0 --overlay 198.51.100.2",
			make: "a: nft 'table inet f { chain in { type filter hook input priority 0; udp dport 4789 drop; }; }'",
			mend: "a: nft delete table inet f",
			want: "and none of them to uvtep: let UDP port 4789 through this host's firewall",
		},
		{
			name: "route back that leads nowhere", ask: "a: uvtep ping 192.0.2.2",
			make: "b: ip route add blackhole 192.0.2.1/32",
			mend: "b: ip route del blackhole 192.0.2.1/32",
			want: "underlay fails: 192.0.2.2: no answer: see whether the host is up, has a route back to 192.0.2.1",
		},
		{
			name: "asymmetric route and a strict rp_filter", ask: "a: uvtep check",
			make: "a: ip link add eth1 type veth peer eth1far; ip link set eth1far up; ip link set eth1 up; ip route add 192.0.2.2/32 dev eth1; sysctl -qw net.ipv4.conf.eth0.rp_filter=1",
			mend: "a: ip link del eth1; sysctl -qw net.ipv4.conf.eth0.rp_filter=0",
			want: " ... rp-filter: vxlan0: eth0 drops what comes from 192.0.2.2 (rp_filter is strict), since the route there leaves by eth1",
		},
		{
			name: "no checksums over IPv6, and a remote that wants them", ask: "b: uvtep check",
			make: `a: ip addr add 2001:db8::1/64 dev eth0 nodad
b: ip addr add 2001:db8::2/64 dev eth0 nodad; uvtep link add vxlan6 id 66 local 2001:db8::2 remote 2001:db8::1; uvtep link set vxlan6 up
a: uvtep link add vxlan6 id 66 local 2001:db8::1 remote 2001:db8::2 udp6zerocsumtx; uvtep link set vxlan6 up; ip addr add 203.0.113.1/24 dev vxlan6
a: ip neigh add 203.0.113.2 lladdr 02:00:5e:00:53:02 dev vxlan6; bash -c 'for i in {1..12}; do echo x >/dev/udp/203.0.113.2/9; done'`,
			mend: "a: uvtep link del vxlan6\nb: uvtep link del vxlan6",
			want: " ... UDP datagrams over IPv6 for a wrong checksum or for none: where a remote sends none (udp6zerocsumtx), give the link here udp6zerocsumrx",
		},
		{
			name: "duplicate VTEP address", ask: "a: uvtep check",
			make: "c: ip addr add 192.0.2.1/24 dev eth0",
			mend: "c: ip addr del 192.0.2.1/24 dev eth0",
			want: "has the local address 192.0.2.1, too: give each VTEP an address of its own",
		},
		{
			name: "static entry to the wrong VTEP", talk: true, ask: "a: uvtep status",
			make: "a: uvtep fdb replace 02:00:5e:00:53:02 dev vxlan0 dst 192.0.2.3 static",
			want: "drops rx-static-mac: ",
		},
		{
			name: "proxy ARP liar", ask: "a: uvtep ping 192.0.2.2 dev vxlan0 --overlay 198.51.100.2",
			make: `a: uvtep fdb append 00:00:00:00:00:00 dev vxlan0 dst 192.0.2.3
c: uvtep link add vxlan0 id 42 local 192.0.2.3 remote 192.0.2.1 address 02:00:5e:00:53:03; uvtep link set vxlan0 up; ip addr add 198.51.100.3/24 dev vxlan0
c: ip link add lan type veth peer lanfar; ip link set lanfar up; ip link set lan up; ip route add 198.51.100.2/32 dev lan; sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.vxlan0.proxy_arp=1`,
			mend: "c: uvtep link del vxlan0; ip link del lan",
			want: "both say that they have 198.51.100.2: find the one that lies, or has proxy_arp",
		},
		{
			name: "full FDB", talk: true, ask: "a: uvtep status",
			make: `a: uvtep link set vxlan0 maxaddress 3
a: for i in 1 2 3; do uvtep fdb replace 02:00:5e:00:53:1$i dev vxlan0 dst 192.0.2.2 || :; done`,
			want: "the FDB has 3 of 3 entries: raise maxaddress",
		},
		{
			name: "peer down: its daemon", talk: true, ask: "a: uvtep status",
			make: "b: kill $daemon; wait $daemon",
			mend: "b: uvtep run & daemon=$!\nb: " + ready,
			want: "remote 192.0.2.2 port 4789: port-unreachable: start the VTEP there",
		},
		{
			name: "peer down: its host", ask: "a: uvtep ping 192.0.2.2",
			make: "b: ip link set eth0 down",
			want: "underlay fails: 192.0.2.2: no answer: see whether the host is up",
		},
	}
}

// askedWithin is how long the command that names a fault may take.
const askedWithin = 10 * time.Second

// lanes is how many faults are made at a time, each between hosts of its own: the commands wait more than they work.
const lanes = 7

// TestFaultsAreNamed: each of ten faults that operators make is named, with what to do, within ten seconds, by the
// command that they would try first; where nothing is wrong, nothing is.
func TestFaultsAreNamed(t *testing.T) {
	for lane := range lanes {
		t.Run(fmt.Sprint("lane", lane), func(t *testing.T) {
			t.Parallel()
			r := sit(t)
			for _, h := range r {
				h.run("uvtep run & daemon=$!\n" + ready)
			}
			r.join()
			r.nothing(t, lane)
			all := tenFaults()
			for i := lane; i < len(all); i += lanes {
				f := all[i]
				t.Run(f.name, func(t *testing.T) { f.named(t, r) })
			}
		})
	}
}

// script runs lines of several hosts, each "HOST: LINE".
func (r reader) script(lines string) {
	for line := range strings.Lines(lines) {
		name, line, _ := strings.Cut(line, ": ")
		r[name].run(line)
	}
}

// join gives a and b new links to each other: what went wrong before is told no longer.
func (r reader) join() {
	for i, name := range []string{"a", "b"} {
		own, other := i+1, 2-i
		r[name].run(fmt.Sprintf("! uvtep link show vxlan0 >/dev/null 2>&1 || uvtep link del vxlan0\n"+
			"uvtep link add vxlan0 id 42 local 192.0.2.%[1]d remote 192.0.2.%[2]d address 02:00:5e:00:53:0%[1]d\n"+
			"ip addr add 198.51.100.%[1]d/24 dev vxlan0", own, other))
	}
	for _, name := range []string{"a", "b"} { // both are there before one is up, so that nobody's first frames are refused
		r[name].run("uvtep link set vxlan0 up")
	}
	check(r["a"].t, r["a"].MustReach(netip.MustParseAddr("198.51.100.2"), 56, soon))
}

// nothing fails where a command finds what is not there.
func (r reader) nothing(t *testing.T, lane int) {
	t.Helper()
	for i, healthy := range [][2]string{
		{"uvtep status", "healthy: "}, {"uvtep check", "ok: nothing was found on 1 links"},
		{"uvtep ping 192.0.2.2 --mtu-probe --overlay 198.51.100.2", "ok: route, underlay, port, path and overlay"},
	} {
		if i != lane {
			continue // another one's
		}
		if out, status, _ := r["a"].asks(healthy[0]); status != 0 || !strings.Contains(last(out), healthy[1]) {
			t.Errorf("%s: status %d: %s", healthy[0], status, out)
		}
	}
}

// talkOn has a and b send to each other until the context ends, whatever comes of it.
func (r reader) talkOn(ctx context.Context) (done chan struct{}) {
	done = make(chan struct{})
	for i, name := range []string{"a", "b"} {
		r[name].run(fmt.Sprintf("ip neigh replace 198.51.100.%d lladdr 02:00:5e:00:53:0%[1]d dev vxlan0 || :", 2-i))
	}
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			for i, name := range []string{"a", "b"} {
				_, _ = r[name].Ping(lab.PingConfig{Dst: netip.AddrFrom4([4]byte{198, 51, 100, byte(2 - i)}), Timeout: 100 * time.Millisecond})
			}
		}
	}()
	return done
}

func (f *fault) named(t *testing.T, r reader) {
	for _, h := range r {
		defer func(lane *testing.T) { h.t = lane }(h.t)
		h.t = t
	}
	r.join()
	r.script(f.make)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if f.talk {
		done := r.talkOn(ctx)
		defer func() { cancel(); <-done }()
	}
	at, line, _ := strings.Cut(f.ask, ": ")
	check(t, lab.Eventually(soon, func() error {
		out, status, took := r[at].asks(line)
		where := last(out)
		want, anywhere := strings.CutPrefix(f.want, " ... ")
		if anywhere {
			where = out
		}
		if !strings.Contains(where, want) || status != 1 || took > askedWithin {
			return fmt.Errorf("%s: %s: status %d after %v, want %q in\n%s", at, line, status, took, f.want, out)
		}
		t.Logf("%s: %s: %v: %s", at, line, took.Round(100*time.Millisecond), last(out))
		return nil
	}))
	if f.mend != "" {
		r.script(f.mend)
	}
}

// last is the last line of a text.
func last(text string) string {
	text = strings.TrimSuffix(text, "\n")
	return text[strings.LastIndexByte(text, '\n')+1:]
}
