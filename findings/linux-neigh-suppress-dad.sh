#!/usr/bin/env bash
# Linux (seen on 6.18), bridge: behind a port with `neigh_suppress on` no host learns that its
# address is taken. Duplicate address detection and ARP probes neither reach the port nor are
# answered.
#
# bridge(8) says that neighbour discovery is answered and suppressed there: it is for tunnels with a
# control plane (RFC 7432 section 10), and a question that the bridge has no answer to is flooded.
# br_do_proxy_suppress_arp and br_do_suppress_nd (net/bridge/br_arp_nd_proxy.c) set the question
# aside before they look at the neighbour table where it has no sender (0.0.0.0, ::) and mark it as
# answered, so that it is not flooded to the port. A host that follows RFC 5227 section 2.1 or RFC
# 4862 section 5.4 takes the silence for "nobody has it", and comes up with the address of another
# one behind the tunnel. Ordinary questions work.
#
# Needs: ip, bridge, python3, root. It works in network namespaces of its own. Seen:
#   neigh_suppress off: IPv6 duplicate found; ARP probe answered, question answered
#   on, not known: IPv6 no duplicate; ARP probe not answered, question answered
#   on, known: IPv6 no duplicate; ARP probe not answered, question answered
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/ask.py" <<'P'
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
s.bind(('h1', 0x0806))
s.settimeout(2)
mac, nine = bytes.fromhex('020000000001'), socket.inet_aton('198.51.100.9')


def ask(sender):
    s.send(b'\xff' * 6 + mac + bytes.fromhex('08060001080006040001') + mac + sender + bytes(6) + nine)
    try:
        while True:
            frame = s.recv(2000)
            if frame[:6] == mac and frame[21] == 2 and frame[28:32] == nine:
                return 'answered'
    except (TimeoutError, socket.timeout):
        return 'not answered'


print('ARP probe %s, question %s' % (ask(bytes(4)), ask(socket.inet_aton('198.51.100.1'))))
P
cat >"$dir/try.sh" <<'S'
set -e
unshare --net sleep 600 & keepers=$!
unshare --net sleep 600 & keepers="$keepers $!"
trap 'kill $keepers' EXIT
ip link add br0 type bridge
ip link set br0 up
i=0
for k in $keepers; do
	i=$((i + 1))
	until [ "$(readlink "/proc/$k/ns/net")" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.05; done
	ip link add p$i type veth peer name h$i
	ip link set h$i address 02:00:00:00:00:0$i netns "$k"
	ip link set p$i master br0 up
	eval "host$i() { nsenter --net=/proc/$k/ns/net \"\$@\"; }"
	host$i ip link set h$i up
done
host2 ip address add 198.51.100.9/24 dev h2
host2 ip address add 2001:db8:2::9/64 dev h2 nodad
six() { host1 ip -6 address show dev h1 to 2001:db8:2::9 "$@" | grep -q 2001; }
round() {
	host1 ip address add 2001:db8:2::9/64 dev h1
	while six tentative && ! six dadfailed; do sleep 0.1; done
	said='no duplicate'
	if six dadfailed; then said='duplicate found'; fi
	host1 ip address del 2001:db8:2::9/64 dev h1
	echo "$1: IPv6 $said; $(host1 python3 "$DIR/ask.py")"
}
round 'neigh_suppress off'
bridge link set dev p2 neigh_suppress on
round 'on, not known'
ip neigh replace 198.51.100.9 lladdr 02:00:00:00:00:02 dev br0 nud permanent
ip neigh replace 2001:db8:2::9 lladdr 02:00:00:00:00:02 dev br0 nud permanent
round 'on, known'
S
got=$(DIR=$dir unshare --net bash "$dir/try.sh")
uname -r
printf '%s\n' "$got"
[ "$got" = 'neigh_suppress off: IPv6 duplicate found; ARP probe answered, question answered
on, not known: IPv6 no duplicate; ARP probe not answered, question answered
on, known: IPv6 no duplicate; ARP probe not answered, question answered' ] || { echo "not as it was seen" >&2; exit 1; }
