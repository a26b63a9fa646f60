#!/usr/bin/env bash
# FRR bgpd 8.4.4 (Debian 12, 8.4.4-1.1~deb12u2): how long a neighbour waits for its first routes hangs on how many
# neighbours are configured, whether they are there or not: a second and 50 ms for each, ten seconds at most
# (bgpd/bgp_updgrp.h, the time that a new update group waits). So a route reflector with 180 clients and more says
# nothing to one that comes for ten seconds after the session is established, not even that it has no routes. Who
# takes a neighbour that has been silent for some seconds for one without routes deletes what it was about to be sent.
#
# The session is of a few lines of Python, which wait for the first route. bgp coalesce-time sets the time.
#
# Needs: root, apt, python3, iproute2. Seen (neighbours configured, whole seconds until the first route):
#   1 1
#   81 5
#   181 10
#   401 10
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
chmod 755 .
for p in frr=8.4.4-1.1~deb12u2 libyang2 libpcre2-8-0 libjson-c5 libc-ares2 libcap2; do
	apt-get download -q "$p" >/dev/null 2>&1 || { apt-get update -q >/dev/null 2>&1; apt-get download -q "$p" >/dev/null; }
done
for p in *.deb; do dpkg -x "$p" root; done
cat >peer.py <<'P'
import socket, struct, sys, time
def message(kind, body=b""): return b"\xff" * 16 + struct.pack("!HB", 19 + len(body), kind) + body
def read(s, n):
    b = b""
    while len(b) < n:
        more = s.recv(n - len(b))
        if not more: sys.exit("the session ended")
        b += more
    return b
deadline = time.time() + 20
while True:
    s = socket.socket()
    s.bind(("192.0.2.2", 0))
    try:
        s.connect(("192.0.2.1", 179))
        break
    except OSError:
        s.close()
        if time.time() > deadline: raise
        time.sleep(0.1)
s.settimeout(30)
capability = b"\x01\x04\x00\x01\x00\x01"  # IPv4 unicast
options = bytes([2, len(capability)]) + capability
s.sendall(message(1, struct.pack("!BHH4sB", 4, 65001, 90, socket.inet_aton("192.0.2.2"), len(options)) + options))
up = None
while True:
    head = read(s, 19)
    body = read(s, struct.unpack("!H", head[16:18])[0] - 19)
    if head[18] == 1: s.sendall(message(4))
    if head[18] == 4 and up is None: up = time.time()
    if head[18] == 3: sys.exit("NOTIFICATION %d %d" % (body[0], body[1]))
    if head[18] == 2 and len(body) > 4: break
print(int(time.time() - up + 0.25))
P
cat >run <<'S'
ip link set lo up
ip address add 192.0.2.1/32 dev lo
ip address add 192.0.2.2/32 dev lo
export LD_LIBRARY_PATH=$1/root/usr/lib/x86_64-linux-gnu:$1/root/lib/x86_64-linux-gnu:$1/root/usr/lib/x86_64-linux-gnu/frr:$1/root/usr/lib/frr
for others in 0 80 180 400; do
	{
		printf 'router bgp 65001\n bgp router-id 192.0.2.1\n no bgp network import-check\n neighbor 192.0.2.2 remote-as 65001\n neighbor 192.0.2.2 passive\n'
		for n in $(seq $others); do
			printf ' neighbor 198.51.%d.%d remote-as 65001\n neighbor 198.51.%d.%d passive\n' $((100 + n / 200)) $((1 + n % 200)) $((100 + n / 200)) $((1 + n % 200))
		done
		printf ' address-family ipv4 unicast\n  network 203.0.113.0/24\n exit-address-family\n'
	} >"$1/bgpd.conf"
	"$1/root/usr/lib/frr/bgpd" -Z -S -u root -g root -f "$1/bgpd.conf" -i "$1/pid" --vty_socket "$1" -P 0 -l 192.0.2.1 >"$1/log" 2>&1 &
	echo $((others + 1)) $(python3 "$1/peer.py" || cat "$1/log")
	kill $!
	wait $! 2>/dev/null
done
S
got=$(cd / && unshare -n -m bash "$dir/run" "$dir")
printf '%s\n' "$got"
[ "$got" = "1 1
81 5
181 10
401 10" ] || { echo "not as it was seen" >&2; exit 1; }
