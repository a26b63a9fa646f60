#!/usr/bin/env bash
# Linux (seen on 6.18), persistent TAP: what TUNSETOFFLOAD and TUNSETVNETHDRSZ said is kept when the
# program ends, and holds for the next one, which has not said it.
#
# Both belong to the device, not to the file, and TUNSETIFF of a device that is there leaves them
# (drivers/net/tun.c: tun_set_iff, set_offload). So a program that opens the TAP without
# IFF_VNET_HDR behind one that asked for TUN_F_CSUM reads frames whose checksums are left to be
# done, and has no header that would tell it so; with IFF_VNET_HDR it reads headers of the other
# program's size, not of 10 bytes. A TAP that is made anew is right for both. The kernel's
# documentation (networking/tuntap.rst) mentions neither. Who opens a persistent TAP has to call
# both, with 0 and 10, if it wants nothing of them.
#
# Needs: python3, ip, root. It works in a network namespace of its own. Seen:
#   new, plain: UDP checksum right
#   asks for TUN_F_CSUM and 12 bytes, ends: UDP checksum left undone
#   next, plain: UDP checksum left undone
#   next, with IFF_VNET_HDR: UDP checksum left undone, header of 12 bytes
#   next, says TUNSETOFFLOAD 0: UDP checksum right
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/try.py" <<'P'
import fcntl, os, socket, struct
TUNSETIFF, TUNSETOFFLOAD, TUNGETVNETHDRSZ, TUNSETVNETHDRSZ = 0x400454ca, 0x400454d0, 0x800454d7, 0x400454d8
TAP, NO_PI, VNET, F_CSUM = 2, 0x1000, 0x4000, 1


def header(fd):
    return struct.unpack('i', fcntl.ioctl(fd, TUNGETVNETHDRSZ, bytes(4)))[0]


def run(what, flags, offload=None, size=None, tell=False):
    fd = os.open('/dev/net/tun', os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack('16sH22x', b'tap9', TAP | NO_PI | flags))
    if offload is not None:
        fcntl.ioctl(fd, TUNSETOFFLOAD, offload)
    if size is not None:
        fcntl.ioctl(fd, TUNSETVNETHDRSZ, struct.pack('i', size))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b'payload!', ('198.51.100.2', 9))
    while True:
        frame = os.read(fd, 2000)[header(fd) if flags & VNET else 0:]
        if frame[12:14] == b'\x08\x00' and frame[23] == socket.IPPROTO_UDP:
            break
    summed = frame[26:34] + struct.pack('!HH', socket.IPPROTO_UDP, len(frame) - 34) + frame[34:]
    total = sum(struct.unpack('!%dH' % (len(summed) // 2), summed))
    total = (total & 0xffff) + (total >> 16)
    said = 'right' if total % 0xffff == 0 else 'left undone'
    print('%s: UDP checksum %s%s' % (what, said, ', header of %d bytes' % header(fd) if tell else ''))
    os.close(fd)


run('new, plain', 0)
run('asks for TUN_F_CSUM and 12 bytes, ends', VNET, F_CSUM, 12)
run('next, plain', 0)
run('next, with IFF_VNET_HDR', VNET, tell=True)
run('next, says TUNSETOFFLOAD 0', 0, 0)
P
got=$(unshare --net bash -c '
set -e
ip tuntap add dev tap9 mode tap
ip address add 198.51.100.1/24 dev tap9
ip link set dev tap9 up
ip neigh add 198.51.100.2 lladdr 02:00:00:00:00:02 dev tap9 nud permanent
python3 "$0"' "$dir/try.py")
uname -r
printf '%s\n' "$got"
[ "$got" = 'new, plain: UDP checksum right
asks for TUN_F_CSUM and 12 bytes, ends: UDP checksum left undone
next, plain: UDP checksum left undone
next, with IFF_VNET_HDR: UDP checksum left undone, header of 12 bytes
next, says TUNSETOFFLOAD 0: UDP checksum right' ] || { echo "not as it was seen" >&2; exit 1; }
