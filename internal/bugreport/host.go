package bugreport

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// commandTime is how long a command may take.
const commandTime = 10 * time.Second

// hostPart is what is asked of this host: files, and commands where they are installed.
type hostPart struct {
	name, about string
	files       []string
	commands    []string
}

// hostParts are read-only. No command of them prints keys.
func hostParts() []hostPart {
	return []hostPart{
		{"kernel", "kernel, system and processors", []string{"/proc/version", "/etc/os-release", "/proc/loadavg", "/proc/meminfo", "/proc/softirqs"}, []string{"uname -a", "nproc"}},
		{"sysctl", "settings of the kernel that matter to the underlay", []string{
			"/proc/sys/net/core/rmem_max", "/proc/sys/net/core/wmem_max", "/proc/sys/net/core/rmem_default", "/proc/sys/net/core/netdev_max_backlog",
			"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/conf/all/rp_filter", "/proc/sys/net/ipv4/conf/default/rp_filter", "/proc/sys/net/ipv4/ip_no_pmtu_disc",
			"/proc/sys/net/ipv4/icmp_ratelimit", "/proc/sys/net/ipv6/conf/all/forwarding", "/proc/sys/net/ipv6/conf/all/disable_ipv6",
		}, nil},
		{"routes", "routes and rules", []string{"/proc/net/route", "/proc/net/ipv6_route"}, []string{"ip rule show", "ip -6 rule show", "ip route show table all", "ip -6 route show table all"}},
		{"devices", "network devices, addresses, neighbours", []string{"/proc/net/dev"}, []string{"ip -d -s link show", "ip addr show", "ip neigh show", "bridge vlan show"}},
		{"network", "counters of the kernel", []string{"/proc/net/snmp", "/proc/net/snmp6", "/proc/net/netstat", "/proc/net/udp", "/proc/net/udp6", "/proc/net/softnet_stat"}, nil},
	}
}

// Host adds what this host says of itself.
func (a *Archive) Host(ctx context.Context) {
	for _, p := range hostParts() {
		var b bytes.Buffer
		for _, f := range p.files {
			text, err := os.ReadFile(f)
			section(&b, f, text, err)
		}
		for _, c := range p.commands {
			words := strings.Fields(c)
			if _, err := exec.LookPath(words[0]); err != nil {
				section(&b, c, nil, err)
				continue
			}
			timed, cancel := context.WithTimeout(ctx, commandTime)
			text, err := exec.CommandContext(timed, words[0], words[1:]...).CombinedOutput()
			cancel()
			section(&b, c, text, err)
		}
		a.Add(p.name, p.about, b.Bytes())
	}
}

// section adds a text under a heading.
func section(b *bytes.Buffer, heading string, text []byte, err error) {
	fmt.Fprintf(b, "### %s\n", heading)
	b.Write(bytes.TrimRight(text, "\n"))
	if len(text) > 0 {
		b.WriteByte('\n')
	}
	if err != nil {
		fmt.Fprintf(b, "(%v)\n", err)
	}
	b.WriteByte('\n')
}
