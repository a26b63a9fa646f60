#!/usr/bin/env bash
# Linux (seen on 6.18), vxlan device with `proxy`: every ARP packet that goes out ends in the
# device, the answers of local hosts among them. Neighbour advertisements go out.
#
# ip-link(8) says no more than that ARP proxy is turned on. vxlan_xmit
# (drivers/net/vxlan/vxlan_core.c) hands all ARP packets to arp_reduce, which answers a request that
# it can, and drops the rest: requests for what it does not know, gratuitous ARP and replies. Of
# IPv6 only neighbour solicitations are looked at. So hosts behind a proxy on both sides find each
# other by the neighbour tables alone, and where only one side has it, the other side's IPv4 hosts
# get no answer, while its IPv6 hosts do.
#
# Needs: ip, python3, root, kernel VXLAN. It works in network namespaces of its own. Seen:
#   noproxy: ARP request answered, neighbour solicitation answered
#   proxy: ARP request not answered, neighbour solicitation answered
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/far.py" <<'P'
import socket, struct
mac = bytes.fromhex('020000000002')
four = [socket.inet_aton('198.51.100.%d' % i) for i in (1, 2)]
six = [socket.inet_pton(socket.AF_INET6, '2001:db8:2::%d' % i) for i in (1, 2)]
group = socket.inet_pton(socket.AF_INET6, 'ff02::1:ff00:1')
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('192.0.2.2', 4789))


def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return struct.pack('!H', ~total & 0xffff)


def asked(question, is_answer):
    s.sendto(bytes.fromhex('0800000000002a00') + question, ('192.0.2.1', 4789))
    s.settimeout(3)
    try:
        while True:
            frame = s.recv(2000)[8:]
            if frame[:6] == mac and is_answer(frame):
                return 'answered'
    except (TimeoutError, socket.timeout):
        return 'not answered'


arp = b'\xff' * 6 + mac + bytes.fromhex('08060001080006040001') + mac + four[1] + bytes(6) + four[0]
tail = six[0] + b'\x01\x01' + mac  # the target, and the option with the sender's MAC
pseudo = six[1] + group + struct.pack('!II', 8 + len(tail), 58)
solicitation = bytes.fromhex('8700') + checksum(pseudo + bytes.fromhex('87000000') + bytes(4) + tail) + bytes(4) + tail
nd = (bytes.fromhex('3333ff000001') + mac + bytes.fromhex('86dd60000000')
      + struct.pack('!HBB', len(solicitation), 58, 255) + six[1] + group + solicitation)
print('ARP request %s, neighbour solicitation %s' % (
    asked(arp, lambda f: f[12:14] == b'\x08\x06' and f[21] == 2),
    asked(nd, lambda f: f[12:14] == b'\x86\xdd' and f[54] == 136)))
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
for word in noproxy proxy; do
	ip link add vx type vxlan id 42 dstport 4789 local 192.0.2.1 remote 192.0.2.2 $word
	ip link set vx up
	ip address add 198.51.100.1/24 dev vx
	ip address add 2001:db8:2::1/64 dev vx nodad
	echo "$word: $(far python3 "$DIR/far.py")"
	ip link del vx
done
S
got=$(DIR=$dir unshare --net bash "$dir/near.sh")
uname -r
printf '%s\n' "$got"
[ "$got" = 'noproxy: ARP request answered, neighbour solicitation answered
proxy: ARP request not answered, neighbour solicitation answered' ] || { echo "not as it was seen" >&2; exit 1; }
