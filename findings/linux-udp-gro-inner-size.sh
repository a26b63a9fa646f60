#!/usr/bin/env bash
# Linux (seen on 6.18): a UDP socket with UDP_GRO is told the segment size of a packet
# inside a tunnel as if it were its own.
#
# A kernel vxlan device that sends UDP with segmentation offload over a veth passes the
# whole superframe as one UDP datagram. The socket that reads it gets the control message
# UDP_GRO with the size of the INNER datagrams (include/linux/udp.h: udp_cmsg_recv looks at
# gso_type for SKB_GSO_UDP_L4, whatever header it is of). Cutting the message by it, as
# udp(7) tells, gives pieces without a VXLAN header. Nothing that the socket is
# told tells the two apart.
#
# Needs: ip, python3, root, kernel VXLAN. It works in network namespaces of its own. Seen:
#   one message of 4050 bytes, size 1000: 1 VXLAN header in 5 pieces
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/far.py" <<'P'
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_UDP, 103, 1000)  # UDP_SEGMENT
s.sendto(b'x' * 4000, ('198.51.100.2', 9))
P
cat >"$dir/near.py" <<'P'
import os, socket, struct, subprocess
r = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
r.bind(('192.0.2.2', 4789))
r.setsockopt(socket.IPPROTO_UDP, 104, 1)  # UDP_GRO
r.settimeout(10)
far = subprocess.Popen(['nsenter', '--net=' + os.environ['FAR'], 'python3', os.environ['DIR'] + '/far.py'])
while True:
    data, controls, _, _ = r.recvmsg(65536, 1000)
    size = [struct.unpack('i', d[:4])[0] for level, kind, d in controls if (level, kind) == (socket.IPPROTO_UDP, 104)]
    if len(data) > 2000:
        break
far.wait()
pieces = [data[i:i + size[0]] for i in range(0, len(data), size[0])]
headers = sum(p[:8] == bytes.fromhex('0800000000002a00') for p in pieces)
print('one message of %d bytes, size %d: %d VXLAN header in %d pieces' % (len(data), size[0], headers, len(pieces)))
P
cat >"$dir/near.sh" <<'S'
set -e
unshare --net sleep 60 & keeper=$!
trap 'kill $keeper' EXIT
until [ "$(readlink /proc/$keeper/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.05; done
export FAR=/proc/$keeper/ns/net
ip link add u0 type veth peer name u1
ip link set u1 netns "$keeper"
ip address add 192.0.2.2/24 dev u0
ip link set u0 up
far() { nsenter --net="$FAR" "$@"; }
far ip address add 192.0.2.1/24 dev u1
far ip link set u1 up
far ip link add vx type vxlan id 42 dstport 4789 local 192.0.2.1 remote 192.0.2.2 dev u1
far ip address add 198.51.100.1/24 dev vx
far ip link set vx up
far ip neigh add 198.51.100.2 lladdr 02:00:00:00:00:02 dev vx nud permanent
python3 "$DIR/near.py"
S
got=$(DIR=$dir unshare --net bash "$dir/near.sh")
uname -r
printf '%s\n' "$got"
[ "$got" = 'one message of 4050 bytes, size 1000: 1 VXLAN header in 5 pieces' ] || { echo "not as it was seen" >&2; exit 1; }
