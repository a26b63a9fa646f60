#!/usr/bin/env bash
# Linux (seen on 6.18), vxlan device: the last port of `srcport MIN MAX` is never used, and a range
# of one port is none.
#
# ip-link(8) has "srcport MIN MAX - specifies the range of port numbers to use as UDP source ports".
# udp_flow_src_port (include/net/udp.h) scales the flow's hash to MAX - MIN values from MIN on, so
# that two ports are one; and where MIN is not smaller than MAX it takes
# net.ipv4.ip_local_port_range, without an error and while `ip -d link show` goes on saying the
# range that was asked for. A firewall that lets the one port through lets nothing through.
#
# Needs: ip, python3, root, kernel VXLAN. It works in network namespaces of its own. Seen, for 300
# flows:
#   srcport 50000 50002: ports 50000 50001
#   srcport 50000 50001: ports 50000
#   srcport 50000 50000: more than 100 ports, 50000 not alone
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/far.py" <<'P'
import os, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE
s.bind(('192.0.2.2', 4789))
s.settimeout(120)
open(os.environ['DIR'] + '/ready', 'w').close()
seen, ports = 0, set()
while seen < 300:
    data, sender = s.recvfrom(2000)
    if data[20:22] == b'\x08\x00':  # the inner Ethernet type is IPv4
        seen += 1
        ports.add(sender[1])
print('ports ' + ' '.join(map(str, sorted(ports))) if len(ports) < 4
      else 'more than 100 ports, 50000 not alone' if len(ports) > 100 else '%d ports' % len(ports))
P
cat >"$dir/near.py" <<'P'
import socket
for port in range(10000, 10300):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(('198.51.100.1', port))
        s.sendto(b'x', ('198.51.100.2', 9))
P
cat >"$dir/near.sh" <<'S'
set -e
unshare --net sleep 600 & keeper=$!
trap 'kill $keeper' EXIT
until [ "$(readlink /proc/$keeper/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.05; done
far() { nsenter --net="/proc/$keeper/ns/net" "$@"; }
ip link add u0 type veth peer name u1
ip link set u1 netns "$keeper"
ip address add 192.0.2.1/24 dev u0
ip link set u0 up
far ip address add 192.0.2.2/24 dev u1
far ip link set u1 up
for range in '50000 50002' '50000 50001' '50000 50000'; do
	ip link add vx type vxlan id 42 dstport 4789 local 192.0.2.1 remote 192.0.2.2 srcport $range
	ip address add 198.51.100.1/24 dev vx
	ip link set vx up
	ip neigh add 198.51.100.2 lladdr 02:00:00:00:00:02 dev vx nud permanent
	far python3 "$DIR/far.py" >"$DIR/said" & reader=$!
	until [ -e "$DIR/ready" ]; do kill -0 "$reader"; sleep 0.05; done
	rm "$DIR/ready"
	python3 "$DIR/near.py"
	wait "$reader"
	echo "$(ip -d link show vx | grep -o 'srcport [0-9]* [0-9]*'): $(cat "$DIR/said")"
	ip link del vx
done
S
got=$(DIR=$dir unshare --net bash "$dir/near.sh")
uname -r
printf '%s\n' "$got"
[ "$got" = 'srcport 50000 50002: ports 50000 50001
srcport 50000 50001: ports 50000
srcport 50000 50000: more than 100 ports, 50000 not alone' ] || { echo "not as it was seen" >&2; exit 1; }
