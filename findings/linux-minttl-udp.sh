#!/usr/bin/env bash
# Linux (seen on 6.18): a UDP socket takes IP_MINTTL and IPV6_MINHOPCOUNT, gives them back,
# and receives datagrams of any TTL. A TCP socket heeds both.
#
# They are for the Generalized TTL Security Mechanism (RFC 5082), which is not TCP's alone:
# BFD over UDP asks for it (RFC 5881 section 5). setsockopt says nothing, since the value is
# kept in every inet socket; only tcp_v4_rcv and tcp_v6_rcv (net/ipv4/tcp_ipv4.c,
# net/ipv6/tcp_ipv6.c) compare it with the packet. Who sets it on a UDP socket and does no
# more is told of every datagram: he has to ask for the TTL (IP_RECVTTL, IPV6_RECVHOPLIMIT) and
# compare, or attach a filter.
#
# Needs: python3, root, ip. It works in a network namespace of its own. Seen:
#   IPv4 UDP min 255, sent with 7: option 255, received
#   IPv4 TCP min 255, sent with 7: option 255, refused
#   IPv4 TCP min 255, sent with 255: option 255, received
#   IPv6 UDP min 255, sent with 7: option 255, received
#   IPv6 TCP min 255, sent with 7: option 255, refused
#   IPv6 TCP min 255, sent with 255: option 255, received
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/try.py" <<'P'
import socket
FAMILIES = (('IPv4', socket.AF_INET, '127.0.0.1', socket.IPPROTO_IP, 21, socket.IP_TTL),
            ('IPv6', socket.AF_INET6, '::1', socket.IPPROTO_IPV6, 73, socket.IPV6_UNICAST_HOPS))


def run(name, family, address, level, minimum, ttl, kind, value):
    server, sender = socket.socket(family, kind), socket.socket(family, kind)
    server.bind((address, 0))
    server.setsockopt(level, minimum, 255)
    server.settimeout(1)
    sender.settimeout(1)
    sender.setsockopt(level, ttl, value)
    if kind == socket.SOCK_STREAM:
        server.listen(1)
    said = 'received'
    try:
        sender.connect(server.getsockname())
        if kind == socket.SOCK_DGRAM:
            sender.send(b'x')
            server.recv(10)
    except (TimeoutError, socket.timeout):
        said = 'refused'
    print('%s %s min 255, sent with %d: option %d, %s' % (
        name, {socket.SOCK_DGRAM: 'UDP'}.get(kind, 'TCP'), value, server.getsockopt(level, minimum), said))


for f in FAMILIES:
    for kind, value in ((socket.SOCK_DGRAM, 7), (socket.SOCK_STREAM, 7), (socket.SOCK_STREAM, 255)):
        run(*f, kind, value)
P
got=$(unshare --net bash -c "ip link set lo up && python3 '$dir/try.py'")
uname -r
printf '%s\n' "$got"
[ "$got" = 'IPv4 UDP min 255, sent with 7: option 255, received
IPv4 TCP min 255, sent with 7: option 255, refused
IPv4 TCP min 255, sent with 255: option 255, received
IPv6 UDP min 255, sent with 7: option 255, received
IPv6 TCP min 255, sent with 7: option 255, refused
IPv6 TCP min 255, sent with 255: option 255, received' ] || { echo "not as it was seen" >&2; exit 1; }
