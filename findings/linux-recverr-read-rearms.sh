#!/usr/bin/env bash
# Linux (seen on 6.18): on a UDP socket with IP_RECVERR, reading one message of the error
# queue makes the next send fail for the message behind it, although a send before has
# already failed for both and cleared the error.
#
# ip(7) says that a pending error is reported by the next call and that the queue tells
# more. Who sends to many peers from one socket without connecting it reads the queue where
# a send failed, and sends again. sock_dequeue_err_skb (net/core/skbuff.c) sets the socket's
# error anew from the ICMP message that has become the first, so that this send fails as
# well, to whomever it goes, and nothing has left: once for each message that is left in
# the queue. Reading all of it, or none, is followed by a send that works.
#
# Needs: python3, root, ip. It works in a network namespace of its own. Seen:
#   three refused; send: refused; send: sent
#   three refused; send: refused; read 1; send: refused; send: sent
#   three refused; send: refused; read 1; send: refused; read 1; send: refused; read 1; send: sent
#   three refused; send: refused; read 3; send: sent
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/try.py" <<'P'
import socket
RECVERR, ERRQUEUE = 11, 0x2000

def run(*reads):
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(('127.0.0.1', 0))
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('127.0.0.1', 0))
    said = ['three refused']
    # SO_ERROR clears the error that the datagram before brought about, not the queue.
    s.setsockopt(socket.IPPROTO_IP, RECVERR, 1)
    for port in (9, 13, 19):  # nobody listens there in a namespace of its own
        s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        s.sendto(b'x', ('127.0.0.1', port))

    def send():
        try:
            s.sendto(b'x', listener.getsockname())
            said.append('send: sent')
        except ConnectionRefusedError:
            said.append('send: refused')
    send()
    for n in reads:
        for _ in range(n):
            s.recvmsg(100, 1000, ERRQUEUE)
        if n:
            said.append('read %d' % n)
        send()
    if said[-1] != 'send: sent':
        send()
    print('; '.join(said))

run(0)
run(1)
run(1, 1, 1)
run(3)
P
got=$(unshare --net bash -c "ip link set lo up && python3 '$dir/try.py'")
uname -r
printf '%s\n' "$got"
[ "$got" = 'three refused; send: refused; send: sent
three refused; send: refused; read 1; send: refused; send: sent
three refused; send: refused; read 1; send: refused; read 1; send: refused; read 1; send: sent
three refused; send: refused; read 3; send: sent' ] || { echo "not as it was seen" >&2; exit 1; }
