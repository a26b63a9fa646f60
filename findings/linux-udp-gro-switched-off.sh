#!/usr/bin/env bash
# Linux (seen on 6.18): setsockopt(UDP_GRO, 0) on a socket in use glues datagrams.
#
# A socket with UDP_GRO is given several datagrams of one flow as one message, with a
# control message that tells the size to cut it at. What is queued when the option is
# switched off is still one message each, but comes without the control message
# (net/ipv4/udp.c: udp_recvmsg asks the option at the time of the read): three
# datagrams of 100, 100 and 50 bytes are read as one of 250, and nothing tells. Who
# wants to be rid of UDP_GRO has to open another socket and drain the first.
#
# Needs: python3. Seen:
#   switched on: 250 bytes, size 100
#   switched off while queued: 250 bytes, size none
#   switched off before: 100 100 50 bytes
set -euo pipefail
got=$(python3 - <<'P'
import socket, struct
UDP_SEGMENT, UDP_GRO = 103, 104  # include/uapi/linux/udp.h
r = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
r.bind(('127.0.0.1', 0))
r.settimeout(5)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(r.getsockname())
s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 100)
train = b'a' * 100 + b'b' * 100 + b'c' * 50
def read():
    data, controls, _, _ = r.recvmsg(65536, 1000)
    sizes = [struct.unpack('i', d[:4])[0] for level, kind, d in controls if kind == UDP_GRO]
    return '%d bytes, size %s' % (len(data), sizes[0] if sizes else 'none')
r.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
s.send(train)
print('switched on:', read())
s.send(train)
r.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 0)
print('switched off while queued:', read())
s.send(train)
print('switched off before:', *[len(r.recv(65536)) for _ in range(3)], 'bytes')
P
)
uname -r
printf '%s\n' "$got"
[ "$got" = 'switched on: 250 bytes, size 100
switched off while queued: 250 bytes, size none
switched off before: 100 100 50 bytes' ] || { echo "not as it was seen" >&2; exit 1; }
